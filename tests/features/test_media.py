"""M4A, AAC, WMA, AMR, the sound of videos: decoded as FFmpeg does, to the sample, or refused in a sentence."""

import io
import os
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.extras import require
from support.media import copied, encode_media, video_only
from support.streams import check_damage, encode, noise, refuses, without_info

from seqconv.cli.drafting.signals import measure_signals
from seqconv.data.sequences import Sequences
from seqconv.errors import AudioError
from seqconv.features import open_features
from seqconv.features.audio import media
from seqconv.features.audio.decoding import count_samples, decode_audio, read_blocks
from seqconv.features.audio.media_layout import check_layout

require("av")

RATE = 44100
SOUND = noise(RATE + 777, num_channels=2)
SPEECH = noise(8777, seed=1)
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
# Container, codec, Hz, and by how much the sound is late in FFmpeg, since nothing says the delay of the encoder.
KINDS = {
    "m4a": ("ipod", "aac", RATE, 0),
    "alac": ("ipod", "alac", RATE, 0),
    "16 kHz": ("mp4", "aac", 16000, 0),
    "mka": ("matroska", "aac", RATE, 0),
    "mka mp3": ("matroska", "libmp3lame", RATE, 0),
    "mka pcm": ("matroska", "pcm_s24le", RATE, 0),
    "webm": ("webm", "libopus", 48000, 0),
    "mov": ("mov", "pcm_s16le", RATE, 0),
    "wv": ("wv", "wavpack", RATE, 0),
    "avi": ("avi", "pcm_s16le", RATE, 0),
    "aac": ("adts", "aac", RATE, 1024),
    "flv": ("flv", "aac", RATE, 1024),
    "ts": ("mpegts", "aac", RATE, 1024),
    "ac3": ("ac3", "ac3", RATE, 256),
    "wma": ("asf", "wmav2", RATE, -2048),
    "amr": ("amr", "libopencore_amrnb", 8000, 79),
    "3gp": ("3gp", "libopencore_amrnb", 8000, 29),
}
EXACT = ("alac", "mka pcm", "mka mp3", "webm", "mov", "wv", "avi")


def original(name: str) -> np.ndarray:
    return SPEECH if name in ("amr", "3gp") else SOUND


def made(name: str, **options) -> bytes:
    container, codec, rate, _ = KINDS[name]
    return encode_media(original(name), rate, container, codec, **options)


def decoded(path, data: bytes) -> np.ndarray:
    """The samples of a file with these bytes, which are as many as every way of asking for its length says."""
    path.write_bytes(data)
    samples, rate = decode_audio(path)
    assert count_samples(path) == len(samples)
    np.testing.assert_array_equal(np.concatenate(list(read_blocks(path))), samples)
    frame = pd.DataFrame({"id": ["x"], "path": [str(path)], "start": [None], "end": [None]})
    measured = measure_signals(frame.assign(path=str(path.rename(path.with_suffix(".m4a")))))
    assert measured.lengths[0] * rate == pytest.approx(len(samples))
    return samples


def as_ffmpeg_decodes(data: bytes, kind: str | None = None) -> np.ndarray:
    """The samples `(n, channels)`, by the shortest program with PyAV."""
    import av

    with av.open(io.BytesIO(data), format=kind) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        channels = container.streams.audio[0].channels
    return np.concatenate([x.T if len(x) == channels else x.reshape(-1, channels) for x in frames])


def shift(samples: np.ndarray, wanted: np.ndarray) -> int:
    """By how many samples the first is later, from the largest correlation."""
    size = 2 * max(len(samples), len(wanted))
    product = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(wanted, size))
    place = int(np.argmax(np.fft.irfft(product, size)))
    return place - size if place > size // 2 else place


@pytest.mark.parametrize("name", KINDS)
def test_times_are_those_of_ffmpeg_and_of_the_sound_that_was_encoded(tmp_path, name):
    data, sound, delay = made(name), original(name), KINDS[name][3]
    samples = decoded(tmp_path / "x", data)
    whole = as_ffmpeg_decodes(data)
    assert len(samples) == len(whole)
    assert abs(shift(samples, sound.mean(axis=1)) - delay) <= 1
    if whole.dtype == np.float32:
        np.testing.assert_allclose(samples, whole.mean(axis=1), atol=1e-6)
    else:
        np.testing.assert_allclose(samples, sound.mean(axis=1), atol=0.01 if name == "wv" else 1e-4)
    assert len(samples) == len(sound) if name in EXACT else abs(len(samples) - len(sound)) < 2 * 2048


@pytest.mark.parametrize("name", ["m4a", "mka", "avi", "mov"])
def test_the_sound_of_a_video_is_that_of_the_file_without_pictures(tmp_path, name):
    with_pictures = decoded(tmp_path / "x", made(name, video=True))
    np.testing.assert_array_equal(with_pictures, decoded(tmp_path / "y", made(name)))


@pytest.mark.parametrize("kept", [1 << 22, 9000])
@pytest.mark.parametrize("is_settled", [True, False])
def test_parts_are_exact_to_the_sample_in_whatever_order(tmp_path, monkeypatch, kept, is_settled):
    """With `kept`, less is remembered than the file has, so that passes begin again."""
    monkeypatch.setattr(media, "_KEPT_VALUES", kept)
    monkeypatch.setattr(media, "_BLOCK_SAMPLES", 4000)
    path = tmp_path / "x.m4a"
    path.write_bytes(made("m4a"))
    if is_settled:
        os.utime(path, (1, 1))
    whole, _ = decode_audio(path)
    rng = np.random.default_rng(0)
    for _ in range(30):
        first, stop = sorted(rng.choice(len(whole), 2, replace=False))
        part, _ = decode_audio(path, start=first / RATE, end=stop / RATE)
        np.testing.assert_array_equal(part, whole[first:stop])
    # Two at once, and one that is given up.
    one, two, _ = read_blocks(path), read_blocks(path, start=0.5), next(read_blocks(path))
    begun = next(one)
    np.testing.assert_array_equal(np.concatenate(list(two)), whole[RATE // 2 :])
    np.testing.assert_array_equal(np.concatenate([begun, *one]), whole)


def test_a_channel_can_be_chosen(tmp_path):
    path = tmp_path / "x.m4a"
    path.write_bytes(made("m4a"))
    mean, first, second = (decode_audio(path, channel=channel)[0] for channel in (None, 0, 1))
    np.testing.assert_allclose((first + second) / 2, mean, atol=1e-6)
    assert np.abs(first).max() > 1.5 * np.abs(second).max()
    with pytest.raises(AudioError, match=r"has no channel 2 \(features\.channel\)"):
        count_samples(path, channel=2)
    with pytest.raises(AudioError, match="end=9 s is after the end of the recording"):
        count_samples(path, end=9)


def test_the_content_decides_whatever_the_suffix(tmp_path):
    assert len(decoded(tmp_path / "x.wav", made("m4a"))) > RATE
    wav = encode(SOUND, RATE, "WAV", "FLOAT")
    np.testing.assert_allclose(decoded(tmp_path / "y.m4a", wav), SOUND.mean(axis=1), atol=1e-6)
    # A tag in front, as of downloaded radio.
    tagged = b"ID3\x04\0\0\0\0\0\x05title" + made("aac")
    np.testing.assert_array_equal(decoded(tmp_path / "z.aac", tagged), decoded(tmp_path / "z", made("aac")))


def test_what_libsndfile_encodes_comes_the_same_out_of_other_containers(tmp_path):
    for kind, subtype, container in (("FLAC", "PCM_16", "matroska"), ("FLAC", "PCM_24", "mp4"), ("OGG", None, "webm")):
        data = encode(SOUND, RATE, kind, subtype)
        ours, other = (decoded(tmp_path / "x", each) for each in (data, copied(data, container)))
        np.testing.assert_allclose(ours, other, atol=1e-5)
    # Written live: neither length nor duration.
    live = copied(encode(SOUND, 48000, "OGG", "OPUS"), "webm", live="1")
    assert len(decoded(tmp_path / "x", live)) == len(SOUND)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("rate", [48000, 22050])
def test_an_mp3_is_what_ffmpeg_makes_of_it_whatever_its_info_frame_says(tmp_path, mode, rate):
    data = encode(noise(2 * rate, num_channels=2), rate, "MP3", bitrate_mode=mode, compression_level=0.3)
    place = max(data.find(name, 0, 64) for name in (b"Xing", b"Info"))
    # Older encoders do not say what they have added.
    unsaid = data[: place + 120] + bytes(36) + data[place + 156 :]
    for kind in (data, unsaid, without_info(data), 2 * without_info(data)):
        ours, theirs = decoded(tmp_path / "x", kind), as_ffmpeg_decodes(kind, "mp3")
        np.testing.assert_allclose(ours, theirs.mean(axis=1), atol=1e-5)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("caf", "adpcm_ima_qt"), ("caf", "alac"), ("wav", "aac"), ("wav", "adpcm_yamaha"), ("wav", "ac3")],
)
def test_encodings_in_wav_and_caf_that_libsndfile_does_not_know(tmp_path, monkeypatch, container, codec):
    data = encode_media(SOUND, RATE, container, codec)
    samples = decoded(tmp_path / "x", data)
    assert len(samples) == len(as_ffmpeg_decodes(data))
    assert np.corrcoef(samples[:30000], SOUND[:30000].mean(axis=1))[0, 1] > 0.5 or codec in ("aac", "ac3")
    refuses(tmp_path / "x", data[: len(data) // 2], "but its header declares|cut off")
    (tmp_path / "x").write_bytes(data)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r"cannot be decoded .* Try ffmpeg .*, or pip install 'seqconv\[media\]'"):
        decode_audio(tmp_path / "x")


def test_an_mp3_in_a_wav_is_decoded_whole(tmp_path):
    data = encode_media(SOUND, RATE, "wav", "libmp3lame")
    samples = decoded(tmp_path / "x", data)
    np.testing.assert_allclose(samples, as_ffmpeg_decodes(data).mean(axis=1), atol=1e-5)
    for part in (0.9, 0.5):
        refuses(tmp_path / "x", data[: int(part * len(data))], "but its header declares .*; it was cut off")


def test_sound_that_is_none_or_several_or_protected_is_refused(tmp_path):
    refuses(tmp_path / "x", video_only(0.2), "holds no sound; it holds video mpeg4")
    two = encode_media(SPEECH, 8000, "matroska", "aac", num_sounds=2)
    refuses(tmp_path / "x", two, r"holds 2 sounds \(0:a:0 aac, 1 channels, 0:a:1 aac, 1 channels\).* -map 0:a:0 NEW")
    refuses(tmp_path / "x", made("m4a").replace(b"mp4a", b"drms"), r"is protected \(DRM\)")
    refuses(tmp_path / "x", b"\0\0\0\x20ftypM4A " + bytes(99), "cannot be decoded|cut off")
    refuses(tmp_path / "x", made("aac") + encode_media(SPEECH, 8000, "adts", "aac"), "from 1.04.* s on, it has 8000 Hz")


@pytest.mark.parametrize("name", ["m4a", "mka", "avi", "wma", "amr"])
def test_joined_recordings_are_refused_with_the_place(tmp_path, name):
    data = made(name)
    refuses(tmp_path / "x", 2 * data, rf"at byte {len(data)} of {2 * len(data)}")


@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_was_cut_off_is_refused(tmp_path, name):
    data = made(name)
    for part in (0.9, 0.6, 0.3):
        refuses(tmp_path / "x", data[: int(part * len(data)) | 1], "cut off|damaged")


ORIGINALS = {
    "m4a": made("m4a"), "fragments": encode_media(SOUND, RATE, "mp4", "aac", **FRAGMENTS), "mka": made("mka"),
    "webm": made("webm"), "mov": made("mov"),
    "video": made("m4a", video=True),
}  # fmt: skip


def sound_of(name: str) -> tuple[int, int]:
    """Where the sound of a file begins and ends: in the tables around it a byte can change unseen
    (docs/reliability.md)."""
    whole = ORIGINALS[name]
    if name in ("mka", "webm"):
        return whole.index(bytes.fromhex("1f43b675")), len(whole)
    begin = whole.index(b"mdat") + 4
    return begin, begin - 8 + int.from_bytes(whole[begin - 8 : begin - 4], "big")


def check_original(path, data) -> None:
    name = data.draw(st.sampled_from(sorted(ORIGINALS)))
    header, stop = sound_of(name)
    check_damage(path, ORIGINALS[name], data, header=header, stop=stop, masks=st.just(0x41))


@given(data=st.data())
@settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_wherever_it_is_damaged_all_samples_come_or_an_error(tmp_path, data):
    check_original(tmp_path / "x", data)


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=20_000, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_wherever_it_is_damaged_often(tmp_path, data):
    check_original(tmp_path / "x", data)


def test_a_store_of_them_is_built_in_workers_and_found_again(tmp_path):
    rows = []
    for number, name in enumerate(["m4a", "webm", "amr", "wma", "mov"]):
        (tmp_path / f"{number}.{name}").write_bytes(made(name))
        rows.append({"path": f"{number}.{name}", "label": "ab"[number % 2]})
    pd.DataFrame(rows).to_csv(tmp_path / "m.csv", index=False)
    kind = {"kind": "log_mel", "sample_rate": 16000, "n_mels": 20}
    for workers in (2, 0):
        data = Sequences.from_manifest(tmp_path / "m.csv", kind, cache_dir=tmp_path / "cache", num_workers=workers)
        for number, row in enumerate(rows):
            pieces = open_features(tmp_path / row["path"], kind)
            assert pieces.num_frames == data.lengths[number]
            np.testing.assert_allclose(np.concatenate(list(pieces)), data[number], atol=1e-4)
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 1


def test_frames_of_wide_band_amr_follow_its_longer_mark():
    """No encoder of it is at hand: frames of 6.6 kbit/s are a byte and 17."""
    whole = b"#!AMR-WB\n" + (b"\x04" + bytes(17)) * 9
    assert check_layout(io.BytesIO(whole), "amr") == 0
    for wrong in (whole[:-1], whole[:9] + b"W" + whole[10:]):
        with pytest.raises(AudioError, match=r"cut off|no frame begins at byte 9"):
            check_layout(io.BytesIO(wrong), "amr")


def test_tags_that_end_a_stream_of_frames_are_none():
    frames = made("aac")
    tag = b"APETAGEX" + (2000).to_bytes(4, "little") + (32).to_bytes(4, "little") + bytes(16)
    assert check_layout(io.BytesIO(frames + tag), "aac") == check_layout(io.BytesIO(frames), "aac")
    with pytest.raises(AudioError, match="no frame begins"):
        check_layout(io.BytesIO(frames + b"ID3"), "aac")
