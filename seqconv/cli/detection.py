"""`seqconv predict --events`: the events in recordings, as a table, or as files of Audacity or Raven."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqconv.cli.options import Group, given
from seqconv.cli.splits import say
from seqconv.cli.tables import table_format, write_tables
from seqconv.errors import ConfigError, list_some
from seqconv.files import name_of, write_text
from seqconv.text import amount

if TYPE_CHECKING:
    import pandas as pd

    from seqconv.features import FeatureKind
    from seqconv.features.store import BadFile

RAVEN = "raven"
TRACK_SUFFIX, RAVEN_SUFFIX = ".txt", ".selections.txt"
TRACK_FORMATS = {"audacity": (TRACK_SUFFIX, "label track"), RAVEN: (RAVEN_SUFFIX, "selection table")}
"""Formats that write a file for each recording, by the value of `--format`: the end of its name, and what it is."""
_RULES = ("median", "max_gap", "min_seconds", "threshold")


EVENT_OPTIONS = Group(
    {
        "--events": "start, end, label and score of each event, which is merged from neighboring windows or frames",
        "--median SECONDS": "width of a median filter over the hits of each class (default, for this and the next two: "
        "as in the run's config, or as chosen on valid)",
        "--max-gap SECONDS": "bridge gaps up to this",
        "--min-seconds SECONDS": "leave out shorter events",
        "--threshold P": "only what is at least so probable (default: the most probable class, or the thresholds of "
        "the model)",
    },
    "events",
    "of models that were trained on windows or on frames",
)


def wants_events(arguments: argparse.Namespace) -> bool:
    """Whether events are asked for: by `--events`, or by a selection table of Raven, which holds nothing else.

    Raises:
        ConfigError: options for events without --events, or options for other predictions with it.
    """
    flags = given(arguments, "--stream", "--top")
    chosen = _track_format(arguments)
    if arguments.events or chosen == RAVEN:
        if chosen is None and arguments.format is None:
            table_format(arguments.output)
        if flags:
            raise ConfigError(
                f"{', '.join(flags)}: this is about predictions while a recording comes in, or about each window or "
                "frame, and not about the events of a whole recording. Leave it out."
            )
        return True
    flags = given(arguments, "--median", "--max-gap", "--min-seconds", "--threshold")
    if arguments.format == "audacity":
        flags.append("--format audacity")
    elif arguments.output is not None and arguments.output.suffix.lower() == TRACK_SUFFIX:
        flags.append(f"--output {arguments.output}")
    if flags:
        raise ConfigError(f"{', '.join(flags)}: this is about events. Add --events.")
    return False


def write_events(arguments: argparse.Namespace, model: Any, bad: "list[BadFile]", **options: Any) -> None:
    """Find the events of the recordings, and print or write them."""
    from seqconv.models.card import read_card
    from seqconv.prediction.events import event_tables

    rules = {name: getattr(arguments, name) for name in _RULES}
    tables, output = event_tables(model, arguments.inputs, rules, bad, **options), arguments.output
    chosen = _track_format(arguments)
    if chosen is not None:
        write_text_of = _text_writer(chosen, options["features"] or read_card(model).features)
        _write_tracks({name: write_text_of(events, name) for name, events in tables}, output, chosen)
        return
    rows, count = write_tables((table for _, table in tables), output, arguments.format)
    if output is not None:
        say(f"wrote {amount(rows, 'event')} of {amount(count, 'recording')} to {output}")


def _track_format(arguments: argparse.Namespace) -> str | None:
    """Return the format that writes a file for each recording, by `--format` or the name of the output."""
    output = arguments.output
    if arguments.format is not None:
        return arguments.format if arguments.format in TRACK_FORMATS else None
    if output is None:
        return None
    if output.name.lower().endswith(RAVEN_SUFFIX):
        return RAVEN
    return "audacity" if output.suffix.lower() == TRACK_SUFFIX or _is_folder(output) else None


def _text_writer(chosen: str, features: "FeatureKind | None") -> "Callable[[pd.DataFrame, str], str]":
    """Return the function that formats the events of a recording; selections span the frequencies of the features."""
    if chosen == RAVEN:
        from seqconv.data.events.selection_tables import selection_table_text

        rate = getattr(features, "sample_rate", None)
        highest = getattr(features, "highest_frequency", None if rate is None else rate / 2)
        band = None if highest is None else (getattr(features, "fmin", 0.0), highest)
        return lambda events, name: selection_table_text(events, name, band)
    from seqconv.data.events.label_tracks import label_track_text

    return lambda events, name: label_track_text(events)


def _is_folder(output: Path) -> bool:
    """Whether an output names a folder, which may not exist yet."""
    return output.is_dir() or not output.suffix


def _write_tracks(texts: dict[str, str], output: Path | None, chosen: str) -> None:
    """Write the files of recordings: one into a file, or print it; several into a folder."""
    suffix, kind = TRACK_FORMATS[chosen]
    headers = len(texts) if chosen == RAVEN else 0
    count = amount(sum(text.count("\n") for text in texts.values()) - headers, "event")
    if output is not None and _is_folder(output):
        files = {name: output / f"{Path(name_of(name)).stem}{suffix}" for name in texts}
        if len(set(files.values())) < len(files):
            raise ConfigError(
                f"recordings of the same name would share a {kind} in '{output}': {list_some(sorted(files))}. "
                "Predict for each folder by itself, or write a .csv file."
            )
        for name, text in texts.items():
            write_text(text, files[name])
        say(f"wrote {count} to {amount(len(files), kind)} in {output}")
    elif len(texts) != 1:
        raise ConfigError(
            f"a {kind} is of one recording, and these are {len(texts)}: {list_some(texts)}. Name a folder with "
            f"--output{'' if chosen == 'audacity' else f', and --format {chosen}'}, for a file of each."
        )
    elif output is None:
        sys.stdout.write("".join(texts.values()))
    else:
        write_text("".join(texts.values()), output)
        say(f"wrote {count} to {output}")
