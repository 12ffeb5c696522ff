"""Log-mel features by others, as people write it: recording by recording, in one thread."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.peers import import_torch, import_torchaudio

LOOP = "plain librosa loop, 1 process"
TORCHAUDIO = "torchaudio, 1 process"
KALDI = "kaldi-native-fbank, 1 process"


def extract_by_librosa(paths: Sequence[str], settings: Mapping[str, Any]) -> list[Any]:
    """Return the features of each file, `(n_mels, time)`."""
    import librosa

    rate, n_fft, hop_length = settings["sample_rate"], settings["n_fft"], settings["hop_length"]
    features = []
    for path in paths:
        samples, _ = librosa.load(path, sr=rate)
        mel = librosa.feature.melspectrogram(
            y=samples, sr=rate, n_fft=n_fft, hop_length=hop_length, n_mels=settings["n_mels"]
        )
        features.append(librosa.power_to_db(mel))
    return features


def extract_by_torchaudio(paths: Sequence[str], settings: Mapping[str, Any]) -> list[Any]:
    """Return the features of each file, `(n_mels, time)`; torchaudio itself no longer reads files."""
    import soundfile

    torch = import_torch()
    torch.set_num_threads(1)
    transform = _torchaudio_transform(
        settings["sample_rate"], settings["n_fft"], settings["hop_length"], settings["n_mels"]
    )
    with torch.inference_mode():
        return [transform(torch.from_numpy(soundfile.read(path, dtype="float32")[0])).numpy() for path in paths]


@lru_cache(maxsize=1)
def _torchaudio_transform(sample_rate: int, n_fft: int, hop_length: int, n_mels: int) -> Any:
    transforms = import_torchaudio().transforms
    mel = transforms.MelSpectrogram(
        sample_rate, n_fft, hop_length=hop_length, n_mels=n_mels, norm="slaney", mel_scale="slaney"
    )
    return import_torch().nn.Sequential(mel, transforms.AmplitudeToDB("power"))


def extract_by_kaldi(paths: Sequence[str], settings: Mapping[str, Any]) -> list[Any]:
    """Return the features of each file, `(time, n_mels)`."""
    import soundfile

    kaldi_native_fbank = import_module("kaldi_native_fbank")
    options = kaldi_native_fbank.FbankOptions()
    frames = options.frame_opts
    frames.dither, frames.snip_edges, frames.samp_freq = 0, False, settings["sample_rate"]
    frames.frame_length_ms = 1000 * settings["n_fft"] / settings["sample_rate"]
    frames.frame_shift_ms = 1000 * settings["hop_length"] / settings["sample_rate"]
    options.mel_opts.num_bins = settings["n_mels"]
    features = []
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32")
        bank = kaldi_native_fbank.OnlineFbank(options)
        bank.accept_waveform(rate, samples)
        bank.input_finished()
        features.append(np.stack([bank.get_frame(number) for number in range(bank.num_frames_ready)]))
    return features
