"""Mark where the recordings of a manifest are loud: a table of events with the label of each recording.

    python scripts/make_speech_events.py --manifest data/prompts/manifest.csv --output data/prompts/speech.csv

Stretches within 35 dB of the loudest moment of a recording count as speech (librosa.effects.split, windows of 32 ms
every 10 ms). Pauses under 150 ms are bridged, because words have such pauses inside, and stretches under 50 ms left
out. This knows loudness and nothing of speech: a breath may count, a soft ending may not. The same recordings give the
same bytes.
"""

import argparse
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from seqconv.cli.terminal import report_errors
from seqconv.features.audio.decoding import decode_audio
from seqconv.files import write_text

TOP_DB = 35.0
WINDOW_SECONDS, HOP_SECONDS = 0.032, 0.01
SHORTEST_PAUSE, SHORTEST_SPEECH = 0.15, 0.05


def make_parser() -> argparse.ArgumentParser:
    """The options of the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", required=True, metavar="FILE", help="a table of recordings with labels")
    parser.add_argument("--output", required=True, metavar="FILE", help="a .csv file")
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    from seqconv.data.manifest import load_manifest

    manifest = load_manifest(arguments.manifest)
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("id", "start", "end", "label"))
    loud = total = 0.0
    for row in track(manifest.to_dict("records"), "recordings", transient=True):
        samples, sample_rate = decode_audio(row["path"])
        total += len(samples) / sample_rate
        for start, end in find_speech(samples, sample_rate):
            loud += end - start
            writer.writerow((row["id"], f"{start:.2f}", f"{end:.2f}", row["label"]))
    write_text(table.getvalue(), Path(arguments.output))
    print(f"{loud / 60:.1f} of {total / 60:.1f} minutes are speech; wrote {arguments.output}")
    return 0


def find_speech(samples: np.ndarray, sample_rate: int) -> Iterator[tuple[float, float]]:
    """Start and end of each stretch of speech, in seconds, in order.

    Args:
        samples: `(n,)`.
        sample_rate: Hz.
    """
    import librosa

    window, hop = round(WINDOW_SECONDS * sample_rate), round(HOP_SECONDS * sample_rate)
    edges = librosa.effects.split(samples, top_db=TOP_DB, frame_length=window, hop_length=hop) / sample_rate
    merged: list[list[float]] = []
    for start, end in edges.tolist():
        if merged and start - merged[-1][1] < SHORTEST_PAUSE:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    for start, end in merged:
        if end - start >= SHORTEST_SPEECH:
            yield start, end


if __name__ == "__main__":
    sys.exit(main())
