"""`seqconv predict --events`: the events in recordings, as a table or as label tracks of Audacity."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqconv.cli.options import Group, given
from seqconv.cli.splits import say
from seqconv.cli.tables import table_format, write_tables
from seqconv.errors import ConfigError, list_some
from seqconv.files import write_text
from seqconv.text import amount

if TYPE_CHECKING:
    from seqconv.features.store import BadFile

TRACK_SUFFIX = ".txt"
_RULES = ("max_gap", "min_seconds", "threshold")


EVENT_OPTIONS = Group(
    {
        "--events": "start, end, label and score of each event, which is merged from neighboring windows or frames",
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
        ConfigError: options for events without --events, or options for other predictions with it.
    """
    if arguments.events:
        if arguments.format is None and not _are_tracks(arguments):
            table_format(arguments.output)
        if arguments.stream is not None:
            raise ConfigError("--stream answers while a recording comes in, --events at its end: leave one out.")
        return True
    flags = given(arguments, "--max-gap", "--min-seconds", "--threshold")
    if arguments.format == "audacity":
        flags.append("--format audacity")
    elif arguments.output is not None and arguments.output.suffix.lower() == TRACK_SUFFIX:
        flags.append(f"--output {arguments.output}")
    if flags:
        raise ConfigError(f"{', '.join(flags)}: this is about events. Add --events.")
    return False


def write_events(arguments: argparse.Namespace, model: Any, bad: "list[BadFile]", **options: Any) -> None:
    """Find the events of the recordings, and print or write them."""
    from seqconv.prediction.events import event_tables

    rules = {name: getattr(arguments, name) for name in _RULES}
    tables, output = event_tables(model, arguments.inputs, rules, bad, **options), arguments.output
    if _are_tracks(arguments):
        from seqconv.data.events.label_tracks import label_track_text

        _write_tracks({name: label_track_text(events) for name, events in tables}, output)
        return
    rows, count = write_tables((table for _, table in tables), output, arguments.format)
    if output is not None:
        say(f"wrote {amount(rows, 'event')} of {amount(count, 'recording')} to {output}")


def _are_tracks(arguments: argparse.Namespace) -> bool:
    output = arguments.output
    if arguments.format is not None or output is None:
        return bool(arguments.format == "audacity")
    return output.suffix.lower() == TRACK_SUFFIX or _is_folder(output)


def _is_folder(output: Path) -> bool:
    """Whether an output names a folder, which may not exist yet."""
    return output.is_dir() or not output.suffix


def _write_tracks(texts: dict[str, str], output: Path | None) -> None:
    """Write the label tracks of recordings: one into a file, or print it; several into a folder."""
    count = amount(sum(text.count("\n") for text in texts.values()), "event")
    if output is not None and _is_folder(output):
        files = {name: output / f"{Path(name).stem}{TRACK_SUFFIX}" for name in texts}
        if len(set(files.values())) < len(files):
            raise ConfigError(
                f"recordings of the same name would share a label track in '{output}': {list_some(sorted(files))}. "
                "Predict for each folder by itself, or write a .csv file."
            )
        for name, text in texts.items():
            write_text(text, files[name])
        say(f"wrote {count} to {amount(len(files), 'label track')} in {output}")
    elif len(texts) != 1:
        raise ConfigError(
            f"a label track is of one recording, and these are {len(texts)}: {list_some(texts)}. Name a folder with "
            "--output, for a file of each."
        )
    elif output is None:
        sys.stdout.write("".join(texts.values()))
    else:
        write_text("".join(texts.values()), output)
        say(f"wrote {count} to {output}")
