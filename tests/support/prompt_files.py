"""Real telephone prompts as WAV files, with a table of two languages in three splits."""

from pathlib import Path

import pandas as pd
import soundfile

from seqconv.data.manifest import load_manifest
from seqconv.features.audio.decoding import decode_audio

DATA = Path(__file__).parents[2] / "data"
RATE = 8000
FEATURES = {"kind": "log_mel", "sample_rate": RATE, "n_fft": 256, "hop_length": 80, "n_mels": 16}


def write_prompts(folder: Path) -> pd.DataFrame:
    """Forty prompts of a second or so, twenty of each language: id, path, label and split."""
    frame = load_manifest(DATA / "prompts" / "manifest.csv")
    frame["seconds"] = frame["seconds"].astype(float)
    rows = []
    for label in ("en", "fr"):
        chosen = frame[(frame["label"] == label) & frame["seconds"].between(1.0, 1.6)].iloc[:20]
        for index, path in enumerate(chosen["path"]):
            samples, _ = decode_audio(path, sample_rate=RATE)
            name = f"{label}{index:02d}"
            soundfile.write(folder / f"{name}.wav", samples, RATE, subtype="PCM_16")
            split = "train" if index < 12 else "valid" if index < 16 else "test"
            rows.append({"id": name, "path": str(folder / f"{name}.wav"), "label": label, "split": split})
    return pd.DataFrame(rows)


def planted(frame: pd.DataFrame, *rows: dict[str, object]) -> pd.DataFrame:
    """The table with further rows."""
    return pd.concat([frame, pd.DataFrame(rows)], ignore_index=True)
