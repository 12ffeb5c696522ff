"""`seqconv predict --stream`: a prediction every few seconds."""

import argparse
import sys
from collections.abc import Iterator
from io import BufferedIOBase
from typing import Any, cast

import pandas as pd

from seqconv.cli.options import given
from seqconv.cli.splits import say
from seqconv.errors import ConfigError
from seqconv.features.cases import case_arguments
from seqconv.features.kinds import RecordedKind
from seqconv.models.card import model_target, read_card
from seqconv.prediction.entries import find_entries
from seqconv.prediction.forward import is_sequence_model
from seqconv.prediction.streaming.live import LivePredictions, read_raw_samples

STANDARD_INPUT = "-"


def stream_tables(arguments: argparse.Namespace, model: Any) -> Iterator[pd.DataFrame]:
    """Yield the running predictions that the command line asks for; print their delay to standard error.

    Raises:
        ConfigError: the model cannot answer before the end of a recording, or an option has no meaning here.
    """
    flags = given(arguments, "--chunk-frames") if arguments.strategy == "auto" else ["--strategy"]
    if flags:
        raise ConfigError(f"{', '.join(flags)}: there are no batches and no chunks with --stream. Leave this out")
    if not is_sequence_model(model) or (settings := (card := read_card(model)).features) is None:
        raise ConfigError(
            f"--stream: model '{model.name}' was not trained by seqconv, so it is unknown what its layers read. "
            "Predict without --stream"
        )
    live = LivePredictions(model, model_target(model), settings, arguments.stream)
    ahead = f"{live.delay_frames} frames ({live.delay:g} s) that the model looks ahead"
    say(f"delay: {ahead}, and {live.feature_delay:g} s until the window of a frame is full")
    for name in arguments.inputs:
        if name == STANDARD_INPUT:
            if not isinstance(settings, RecordedKind):
                raise ConfigError("'-' is sound, but the model takes features that were computed elsewhere.")
            say(f"listening on standard input: 16-bit integers at {settings.sample_rate} Hz, one channel")
            sound = cast(BufferedIOBase, sys.stdin.buffer)
            yield from live.listen(read_raw_samples(sound, settings.sample_rate), STANDARD_INPUT)
            continue
        entries = find_entries([name], settings, card.segmentation.form)
        for row in entries.to_dict("records"):
            yield from live.play(row["path"], row["id"], **case_arguments(row))
