"""`seqconv predict --events`: the events in recordings, as a table or as label tracks of Audacity."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqconv.cli.options import Group, given
from seqconv.cli.splits import say
from seqconv.cli.tables import table_format, write_tables
from seqconv.errors import ConfigError, list_some
from seqconv.files import write_text
from seqconv.text import amount

if TYPE_CHECKING:
    import pandas as pd

    from seqconv.features.store import BadFile

TRACK_SUFFIX = ".txt"
_RULES = ("max_gap", "min_seconds", "threshold")


EVENT_OPTIONS = Group(
    {
        "--events": "start, end, label and score of each event: windows or frames beside each other, merged",
        "--max-gap SECONDS": "bridge gaps up to this (default: as in the run's config)",
        "--min-seconds SECONDS": "leave out shorter events (default: as in the config)",
        "--threshold P": "only what is at least so probable (default: the most probable class, or the thresholds of "
        "the model)",
    },
    "events",
    "of models that were trained on windows or on frames",
)


def wants_events(arguments: argparse.Namespace) -> bool:
    """Whether events are asked for.

    Raises:
        ConfigError: options that belong to events without these, or to other predictions beside them.
    """
    if arguments.events:
        output = None if arguments.output is None else Path(arguments.output)
        if arguments.format is None and not _are_tracks(arguments, output):
            table_format(output)
        if arguments.stream is not None:
            raise ConfigError(
                "--stream answers while a recording comes in, --events at its end: leave one of them out."
            )
        return True
    flags = given(arguments, "--max-gap", "--min-seconds", "--threshold")
    if arguments.format == "audacity":
        flags.append("--format audacity")
    elif arguments.output is not None and Path(arguments.output).suffix.lower() == TRACK_SUFFIX:
        flags.append(f"--output {arguments.output}")
    if flags:
        raise ConfigError(f"{', '.join(flags)}: this is about events. Add --events.")
    return False


def write_events(arguments: argparse.Namespace, model: Any, bad: "list[BadFile]", **options: Any) -> None:
    """Find the events of the recordings, and print or write them."""
    from seqconv.prediction.events import event_tables

    rules = {name: getattr(arguments, name) for name in _RULES}
    tables = event_tables(model, arguments.inputs, rules, bad, **options)
    output = None if arguments.output is None else Path(arguments.output)
    if _are_tracks(arguments, output):
        _write_tracks(tables, output)
        return
    rows, count = write_tables((table for _, table in tables), output, arguments.format)
    if output is not None:
        say(f"wrote {amount(rows, 'event')} of {amount(count, 'recording')} to {output}")


def _are_tracks(arguments: argparse.Namespace, output: Path | None) -> bool:
    if arguments.format is not None:
        return bool(arguments.format == "audacity")
    return output is not None and (output.suffix.lower() == TRACK_SUFFIX or _is_folder(output))


def _is_folder(output: Path) -> bool:
    """Whether an output names a folder, which need not exist yet."""
    return output.is_dir() or not output.suffix


def _write_tracks(tables: "Iterator[tuple[str, pd.DataFrame]]", output: Path | None) -> None:
    """Write one file for one recording, or a folder with a file for each."""
    from seqconv.data.events.label_tracks import label_track_text

    texts = {name: label_track_text(events) for name, events in tables}
    if output is None or not _is_folder(output):
        if len(texts) != 1:
            raise ConfigError(
                f"a label track is of one recording, and these are {len(texts)}: {list_some(texts)}. Name a folder "
                "with --output, for a file of each."
            )
        (text,) = texts.values()
        if output is None:
            sys.stdout.write(text)
            return
        write_text(text, output)
        say(f"wrote {amount(text.count(chr(10)), 'event')} to {output}")
        return
    files = {name: output / f"{Path(name).stem}{TRACK_SUFFIX}" for name in texts}
    if len(set(files.values())) < len(files):
        raise ConfigError(
            f"recordings of the same name would share a label track in '{output}': {list_some(sorted(files))}. Predict "
            "for each folder by itself, or write a .csv file."
        )
    for name, text in texts.items():
        write_text(text, files[name])
    say(f"wrote {sum(text.count(chr(10)) for text in texts.values())} events to {len(files)} label tracks in {output}")
