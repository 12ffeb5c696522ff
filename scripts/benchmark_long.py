"""Speed and memory of predicting a recording of many hours, compared with the same model on ordinary batches.

The features are noise, which costs the network what speech does. They are never whole in memory: pieces are made as
they are asked for, or read from a file that is written first. The model is that of a config, with fresh weights.

    chunks      one sequence of `--hours`, in chunks with their halo: what `predict` does with a long recording
    batches     sequences of lengths like those of telephone prompts (median 1.4 s), packed, as `predict` does it

Memory is that of the process (resident set) when the model has been built, and its peak while the long sequence runs.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.cli.terminal import report_errors
from seqconv.config.backends import start_keras
from seqconv.features import FeaturePieces, open_features

PIECE_FRAMES = 8192
FRAMES_PER_HOUR = 3600 * 100
BATCH_FRAMES = 500_000
STATM = Path("/proc/self/statm")

Array = npt.NDArray[np.float32]


def make_parser() -> argparse.ArgumentParser:
    """The options of the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="audio.yaml", metavar="FILE", help="whose model (default: audio.yaml)")
    parser.add_argument("--hours", type=float, default=10.0, metavar="N", help="at 100 frames a second (default: 10)")
    parser.add_argument("--features", type=int, default=64, metavar="D", help="features in a frame (default: 64)")
    parser.add_argument("--chunk-frames", type=int, metavar="N", help="default: by the model's size, as in predict")
    parser.add_argument("--file", action="store_true", help="write the features to a .npy file first, and read that")
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Build, measure, and print."""
    arguments = make_parser().parse_args(argv)
    start_keras()
    from seqconv.config import load_config
    from seqconv.models import build_model

    config = load_config(arguments.config)
    model = build_model(config.model, num_features=arguments.features, num_outputs=5)
    with tempfile.TemporaryDirectory(prefix="seqconv-") as folder:
        pieces = _noise(round(arguments.hours * FRAMES_PER_HOUR), arguments.features)
        if arguments.file:
            pieces = _written(pieces, arguments.features, Path(folder) / "noise.npy")
        speed = _measure_chunks(model, pieces, arguments.chunk_frames)
    batch_speed = _measure_batches(model)
    print(f"batches  packed: {batch_speed:,.0f} frames a second; chunks reach {speed / batch_speed:.0%} of that")
    return 0


def _noise(num_frames: int, num_features: int) -> FeaturePieces:
    """Noise that repeats itself every piece, so that making it costs no time."""
    piece = np.random.default_rng(0).standard_normal((PIECE_FRAMES, num_features)).astype(np.float32)

    def read() -> Iterator[Array]:
        for first in range(0, num_frames, PIECE_FRAMES):
            yield piece[: num_frames - first]

    return FeaturePieces(read, num_frames)


def _written(pieces: FeaturePieces, num_features: int, path: Path) -> FeaturePieces:
    shape = (pieces.num_frames, num_features)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for piece in pieces:
            file.write(piece.tobytes())
    return open_features(path, {"kind": "precomputed"})


def _measure_chunks(model: Any, pieces: FeaturePieces, chunk_frames: int | None) -> float:
    from seqconv.prediction.streaming.whole import ChunkRunner

    before = _resident_bytes()
    runner = ChunkRunner(model, chunk_frames)
    (shape,) = runner.shapes
    # Compiled once, as for the first of many recordings.
    runner.answer(_noise(shape.width, model.num_features))
    started = time.perf_counter()
    answer = runner.answer(pieces)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    speed = answer.num_frames / seconds
    print(
        f"sequence {answer.num_frames:,} frames of {model.num_features} features, "
        f"{answer.num_frames * model.num_features * 4 / 1e9:.2f} GB\n"
        f"memory   {before / 1e6:,.0f} MB before, {(peak - before) / 1e6:,.0f} MB more at the peak\n"
        f"chunks   of {shape.interior:,} frames and {shape.left} + {shape.right} around them: {speed:,.0f} frames a "
        f"second, {seconds:.1f} s"
    )
    return speed


def _measure_batches(model: Any) -> float:
    from seqconv.data.sequences import Sequences
    from seqconv.prediction.forward import forward

    rng = np.random.default_rng(0)
    lengths: list[int] = []
    while sum(lengths) < BATCH_FRAMES:
        lengths.append(int(np.clip(rng.lognormal(np.log(140), 1.0), 20, 4000)))
    data = Sequences([rng.standard_normal((length, model.num_features)).astype(np.float32) for length in lengths])
    options: dict[str, Any] = {"strategy": "packed" if model.packable else "bucketed", "batch_size": 32}
    forward(model, data.subset(np.arange(200)), **options)
    started = time.perf_counter()
    forward(model, data, **options)
    return sum(lengths) / (time.perf_counter() - started)


def _resident_bytes() -> int:
    """Memory of the process now; where the system does not say it, its peak so far."""
    if STATM.exists():
        return int(STATM.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(main())
