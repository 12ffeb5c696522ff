"""Write `tests/golden/format2`: what this version of seqconv saves, for later ones to load.

    python tests/golden/regenerate.py FOLDER

A released folder is never written again. When a format changes, a new one is added beside it, and both are tested. In
`scores1` lie the scores of the first format that has a version; those in `format1` have none.
"""

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import soundfile

import seqconv
from seqconv.config import load_config
from seqconv.config.loading import dump_config
from seqconv.data.sequences import Sequences
from seqconv.evaluation import evaluate
from seqconv.features.store import build_store
from seqconv.features.store.index import read_index, write_index
from seqconv.models import build_model, load_model
from seqconv.models.safe_loading import FORMAT_VERSION
from seqconv.prediction import predict
from seqconv.tasks.target import Target

MODELS = {
    "sequence": {
        "blocks": [
            {"filters": 6, "kernel_size": 5, "dropout": 0.1},
            {"type": "depthwise_conv", "kernel_size": 3},
            {"type": "separable_conv", "filters": 6, "kernel_size": 3, "norm": "layer"},
            {"type": "max_pool", "pool_size": 2},
            {"type": "residual", "filters": 6},
            {"type": "tcn", "filters": 6, "kernel_size": 2, "dilations": [1, 2]},
            {"type": "convnext", "kernel_size": 5},
            {"type": "inverted_bottleneck", "filters": 6, "kernel_size": 3},
            {"type": "inception", "filters": 2, "kernel_sizes": [3, 5], "depth": 1},
            {"type": "squeeze_excite"},
            {"type": "attention", "num_heads": 2, "key_dim": 3},
            {"type": "gru", "units": 4},
            {"type": "lstm", "units": 4},
        ],
        "pooling": ["mean", "max", "last", "statistics", "attentive_statistics", "generalized_mean", "log_sum_exp"],
        "dense_units": [5],
    },
    "frames": {
        "blocks": [
            {"filters": 6, "kernel_size": 5, "strides": 2, "norm": "group", "norm_groups": 2},
            {"filters": 4, "kernel_size": 3},
        ],
        "pooling": "frames",
    },
}
CLASSES, TAGS = Target("classification", ("maybe", "no", "yes")), Target("multilabel", ("x", "y", "z"), kind="frame")
# What format 2 has and format 1 has not: cards that decide.
CARDS = {
    "sequence": {"target": CLASSES.to_dict(), "temperature": 1.75},
    "frames": {"target": TAGS.to_dict(), "temperature": 0.8, "thresholds": [0.2, 0.45, 0.9]},
}
SETTINGS = {"sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 6}
NUM_FEATURES = 3


def write_models(folder: Path, rng: np.random.Generator) -> None:
    """Models whose weights are no initial ones, frames, and the logits that they give."""
    np.save(folder / "frames.npy", rng.standard_normal((2, 23, NUM_FEATURES)).astype("float32"))
    for name, config in MODELS.items():
        card = {"format_version": FORMAT_VERSION, "seqconv_version": seqconv.__version__, "name": name, **CARDS[name]}
        model = build_model(config, num_features=NUM_FEATURES, num_outputs=3, card=card)
        for weight in model.weights:
            is_positive = "variance" in weight.path
            weight.assign(rng.uniform(0.1, 0.5, weight.shape) if is_positive else rng.normal(0, 0.4, weight.shape))
        model.save(folder / f"{name}.keras")
        np.save(folder / f"{name}_logits.npy", model.predict(np.load(folder / "frames.npy"), verbose=0))
        predict(model, list(np.load(folder / "frames.npy"))).to_csv(folder / f"{name}_predictions.csv", index=False)


def write_store(folder: Path, rng: np.random.Generator) -> None:
    """A store of three made-up recordings, and their features as plain arrays."""
    with tempfile.TemporaryDirectory() as place:
        paths = [Path(place, f"{name}.wav") for name in "abc"]
        for number, path in enumerate(paths):
            soundfile.write(path, rng.uniform(-0.5, 0.5, 800 + 400 * number), 8000)
        frame = pd.DataFrame({"id": list("abc"), "path": [str(path) for path in paths]})
        store = build_store(frame, SETTINGS, folder / "store", num_workers=0, progress=False)
    np.savez(folder / "store.npz", **{name: store[index] for index, name in enumerate("abc")})
    index = read_index(store.path)
    rows = tuple(replace(row, path=f"/recordings/{Path(row.path).name}", mtime_ns=0) for row in index.rows)
    write_index(store.path, replace(index, rows=rows))


def write_texts(folder: Path) -> None:
    """The resolved config of a run, scores, and the predictions that they are of."""
    config = load_config({"name": "golden", "model": MODELS["frames"], "features": SETTINGS}).to_dict()
    (folder / "config.yaml").write_text(dump_config(load_config(config)), encoding="utf-8")
    model = load_model(folder / "sequence.keras")
    labels = ["no", "yes", "maybe"]
    data = Sequences([*np.load(folder / "frames.npy"), np.zeros((9, NUM_FEATURES))], labels)
    evaluate(model, data).save(folder)
    (folder / "versions.json").write_text(
        json.dumps(
            {"format_version": FORMAT_VERSION, "seqconv": seqconv.__version__, "keras": keras.__version__}, indent=2
        )
    )


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    generator = np.random.default_rng(0)
    write_models(target, generator)
    write_store(target, generator)
    write_texts(target)
