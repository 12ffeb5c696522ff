"""Effects of padding on the answers of a stock Keras stack, and on those of the same stack in seqconv.

Each model learns the 270 training sequences of JapaneseVowels and is then asked about the 370 test sequences: alone,
and padded with zero frames to ever more of them. Layers, starting weights and optimizer are the same.

    stock            Masking, Conv1D, BatchNormalization, ReLU, ..., GlobalAveragePooling1D, Dense; trained as is usual,
                     all sequences padded to the longest one
    stock, unpadded  the same model, trained on batches of equal length, so that it meets no padding at all
    seqconv          the same stack of Masked layers, trained on the padded sequences and their mask
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track

from seqconv.batching import pad_sequences
from seqconv.cli.terminal import report_errors
from seqconv.config.backends import start_keras
from seqconv.features.ts import read_ts

DATA = Path(__file__).resolve().parents[1] / "data" / "japanese_vowels"
MODELS = ("stock", "stock, unpadded", "seqconv")
ALONE = 0
WIDTHS = (ALONE, 32, 64, 128, 256)
BLOCKS = ((64, 5), (128, 3), (128, 3))
BATCH_SIZE = 16
LEARNING_RATE = 1e-3

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Split:
    """Sequences `(time, d)` and the class of each, `(n,)`."""

    arrays: list[npt.NDArray[np.float32]]
    classes: npt.NDArray[np.int64]


def make_parser() -> argparse.ArgumentParser:
    """The options of the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="train each model from N seeds (default: 3)")
    parser.add_argument("--epochs", type=int, default=30, metavar="N", help="epochs of each training (default: 30)")
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Train, score, and print the table."""
    arguments = make_parser().parse_args(argv)
    start_keras()
    train, test = read_data()
    answers: dict[str, list[Array]] = {name: [] for name in MODELS}
    runs = [(name, seed) for seed in range(arguments.seeds) for name in MODELS]
    with warnings.catch_warnings():
        # What this script shows: "Conv1D ... does not support masking and will therefore destroy the mask information".
        warnings.filterwarnings("ignore", message=".*destroy the mask", category=UserWarning)
        for name, seed in track(runs, "training", transient=True):
            answers[name].append(answer(train_model(name, train, seed, arguments.epochs), test))
    print(table({name: np.array(logits) for name, logits in answers.items()}, test.classes))
    return 0


def read_data() -> tuple[Split, Split]:
    """Train and test of JapaneseVowels, the speakers numbered from 0."""
    splits = []
    for part in ("TRAIN", "TEST"):
        arrays, labels, _ = read_ts(DATA / f"JapaneseVowels_{part}.ts")
        splits.append(Split(arrays, np.array(labels, np.int64) - 1))
    return splits[0], splits[1]


def train_model(name: str, train: Split, seed: int, epochs: int) -> Any:
    """One of `MODELS`, trained from `seed`."""
    import keras

    keras.utils.set_random_seed(seed)
    num_features, num_classes = train.arrays[0].shape[1], int(train.classes.max()) + 1
    build = build_seqconv if name == "seqconv" else build_stock
    model = build(num_features, num_classes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss, jit_compile=False)
    padded, lengths = pad_sequences(train.arrays)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        for batch in cut_batches(lengths, rng, equal_length=name == "stock, unpadded"):
            width = lengths[batch].max() if name == "stock, unpadded" else lengths.max()
            model.train_on_batch(as_inputs(model, padded[batch, :width], lengths[batch]), train.classes[batch])
    return model


def build_stock(num_features: int, num_classes: int) -> Any:
    """The stack as it is usually written. The first Conv1D drops the mask that `Masking` made."""
    import keras
    from keras import layers

    stack = [layers.Masking(0.0)]
    for filters, kernel_size in BLOCKS:
        stack += [layers.Conv1D(filters, kernel_size, padding="same"), layers.BatchNormalization(), layers.ReLU()]
    stack += [layers.GlobalAveragePooling1D(), layers.Dense(num_classes)]
    return keras.Sequential([keras.Input((None, num_features)), *stack])


def build_seqconv(num_features: int, num_classes: int) -> Any:
    """The same stack, each layer given the mask."""
    import keras
    from keras import layers

    from seqconv.layers import MaskedBatchNormalization, MaskedConv1D, MaskedGlobalAveragePooling1D

    features = x = keras.Input((None, num_features))
    frame_mask = mask = keras.Input((None,), dtype="bool")
    for filters, kernel_size in BLOCKS:
        x, mask = MaskedConv1D(filters, kernel_size)(x, mask)
        x = MaskedBatchNormalization()(x, mask)
        x = layers.ReLU()(x)
    x = MaskedGlobalAveragePooling1D()(x, mask)
    return keras.Model([features, frame_mask], layers.Dense(num_classes)(x))


def cut_batches(lengths: Array, rng: np.random.Generator, *, equal_length: bool) -> list[Array]:
    """Indices of the sequences in each batch of an epoch, shuffled."""
    order = rng.permutation(len(lengths))
    groups = [order[lengths[order] == length] for length in np.unique(lengths)] if equal_length else [order]
    batches = [group[i : i + BATCH_SIZE] for group in groups for i in range(0, len(group), BATCH_SIZE)]
    return [batches[i] for i in rng.permutation(len(batches))]


def as_inputs(model: Any, features: Array, lengths: Array) -> Any:
    """Return the model's input: features `(batch, time, d)`, for seqconv with the frame mask `(batch, time)`."""
    if len(model.inputs) == 1:
        return features
    return [features, np.arange(features.shape[1]) < lengths[:, None]]


def answer(model: Any, test: Split) -> Array:
    """Logits `(len(WIDTHS), n, num_classes)` of the test sequences, alone and padded to each width."""
    padded, lengths = pad_sequences(test.arrays, length=WIDTHS[-1])
    logits = []
    for width in WIDTHS:
        # Inference knows no neighbors, so sequences of one length may be asked together: each is as if alone.
        groups = np.unique(lengths) if width == ALONE else [width]
        parts = [np.flatnonzero(lengths == group) if width == ALONE else np.arange(len(lengths)) for group in groups]
        order = np.concatenate(parts)
        found = [
            model.predict_on_batch(as_inputs(model, padded[part, :group], lengths[part]))
            for part, group in zip(parts, groups, strict=True)
        ]
        logits.append(np.concatenate(found)[np.argsort(order)])
    return np.array(logits)


def table(answers: dict[str, Array], classes: Array) -> str:
    """Accuracy at each width, the mean over seeds, and the largest change of a logit against the sequence alone."""
    seeds = len(next(iter(answers.values())))
    lines = [
        f"JapaneseVowels: accuracy on {len(classes)} test sequences (mean of {seeds} seeds), largest change of a logit",
        "",
        f"{'padded to':<9}" + "".join(f"{name:>19} {'change':>7}" for name in answers),
    ]
    for row, width in enumerate(WIDTHS):
        line = f"{width or 'alone':<9}"
        for logits in answers.values():
            accuracy = (logits[:, row].argmax(axis=-1) == classes).mean()
            change = np.abs(logits[:, row] - logits[:, 0]).max()
            line += f"{accuracy:>19.1%} {format(change, '.1g' if change < 1 else '.0f') if width else '':>7}"
        lines.append(line.rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
