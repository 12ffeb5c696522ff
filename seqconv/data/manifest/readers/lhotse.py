"""Manifests of lhotse: cuts, or recordings and supervisions, each an object of JSON on a line.

They are read without lhotse, which would bring PyTorch along.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from seqconv.data.manifest.columns import to_text
from seqconv.errors import ManifestError, list_some

_Object = dict[str, Any]
# Of a supervision, what says where it is.
_PLACE = ("id", "recording_id", "start", "duration", "channel")
# In seconds: times are rounded to this, and a cut this much longer than its supervision is as long.
_ROUNDING, _MARGIN = 9, 0.05
_SAVE = "Write them to files: cuts.save_audios(FOLDER)"
_SEVERAL = "hold several supervisions. Cut them apart: cuts.trim_to_supervisions(keep_overlapping=False)"
_MIXED = f"are mixed, padded or empty. {_SAVE}"
_CHANGED = f"are changed as they are read (transforms of recordings). {_SAVE}"
_CHANNEL = f"take some channels of a file that has more, but features.channel is one for all. {_SAVE}"
_NO_RECORDING = "have no recording. Features are not read from lhotse's archives: give cuts with recordings"
_NO_FILE = f"have recordings that are no files (sources of type {{}}); commands are not run. {_SAVE}"


class _RefusedCutError(Exception):
    """The reason for which a cut is none that can be read here."""


class _Cut(NamedTuple):
    path: str
    start: float | None
    end: float | None
    supervision: _Object


def read_lhotse(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a manifest of lhotse (`.jsonl`, `.jsonl.gz`): a cut, a supervision or a recording per row.

    A supervision's speaker is the column `group`, its other fields are columns such as `supervision.text` and
    `supervision.custom.emotion`; those of cuts are `custom.NAME`. Supervisions need the manifest of their recordings
    beside them, of the same name but for that word.

    Returns:
        A table of text, and notes.

    Raises:
        ManifestError: no such manifest; cuts that are more than a part of one file, with the remedy.

    Source: lhotse, Cuts (https://lhotse.readthedocs.io/en/latest/cuts.html).
    """
    rows, refused, longer = list[_Object](), dict[str, list[str]](), 0
    for each in _as_cuts(_read_objects(path), path):
        name = str(each.get("id", len(rows)))
        try:
            cut = _resolve(each)
            longer += bool(cut.supervision) and cut.supervision["duration"] + _MARGIN < each["duration"]
            rows.append({"id": name, "path": cut.path, "start": cut.start, "end": cut.end, **_columns(each, cut)})
        except _RefusedCutError as error:
            refused.setdefault(str(error), []).append(name)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            kind = f"{type(error).__name__}: {error}"
            raise ManifestError(f"'{name}' is no cut, supervision or recording of lhotse ({kind}).") from error
    if refused:
        listed = "; ".join(f"{len(names)} cuts ({list_some(names)}) {reason}" for reason, names in refused.items())
        raise ManifestError(f"{listed}.")
    if not rows:
        raise ManifestError("it is empty; each line must hold a cut, a supervision or a recording.")
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = {name: [to_text(row.get(name), f"'{row['id']}', '{name}'") or None for row in rows] for name in names}
    notes = [f"{longer} cuts are longer than their supervisions, whose labels they have as a whole"] if longer else []
    return pd.DataFrame(cells, dtype=object), notes


def _read_objects(path: Path) -> Iterator[_Object]:
    if not path.is_file():
        raise ManifestError("there is no such file.")
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise ManifestError(f"lhotse's manifests are read as .jsonl or .jsonl.gz: lhotse copy {path.name} NEW.jsonl.gz")
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    found = json.loads(line)
                    if not isinstance(found, dict):
                        raise ManifestError(f"line {number} is no cut, supervision or recording of lhotse.")
                    yield found
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"line {number} is not JSON in UTF-8: {error}.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise ManifestError(f"it cannot be unpacked after line {number} ({error}); is it whole?") from error


def _as_cuts(objects: Iterator[_Object], path: Path) -> Iterator[_Object]:
    """Yield cuts as they are, and recordings and supervisions as the cuts that they are."""
    recordings: dict[str, _Object] | None = None
    for each in objects:
        if "sources" in each:
            yield {**each, "start": 0.0, "channel": _channels(each), "recording": each}
        elif "recording_id" in each and "recording" not in each:
            recordings = _beside(path) if recordings is None else recordings
            if each["recording_id"] not in recordings:
                raise ManifestError(f"'{each['id']}' is of a recording that is not listed: '{each['recording_id']}'.")
            yield {**each, "supervisions": [each], "recording": recordings[each["recording_id"]], "custom": None}
        else:
            yield each


def _beside(path: Path) -> dict[str, _Object]:
    """Return the recordings of supervisions by their ids."""
    file = path.with_name(path.name.replace("supervisions", "recordings"))
    if file == path or not file.is_file():
        raise ManifestError(
            f"it lists supervisions, whose recordings should be in '{file.name}' beside it"
            f"{', named alike but for that word' if file == path else ', which is not there'}. Or make cuts of them: "
            "CutSet.from_manifests(recordings=..., supervisions=...)."
        )
    return {str(each.get("id")): each for each in _read_objects(file)}


def _resolve(cut: _Object) -> _Cut:
    """Return the part of a file that a cut is.

    Raises:
        _RefusedCutError: it is something else.
    """
    supervisions, recording = cut.get("supervisions") or [], cut.get("recording")
    if "tracks" in cut or cut.get("type") == "PaddingCut":
        raise _RefusedCutError(_MIXED)
    if len(supervisions) > 1:
        raise _RefusedCutError(_SEVERAL)
    if not recording:
        raise _RefusedCutError(_NO_RECORDING)
    if recording.get("transforms"):
        raise _RefusedCutError(_CHANGED)
    start, end = float(cut["start"]), round(float(cut["start"]) + float(cut["duration"]), _ROUNDING)
    # Half a sample less is all of it.
    is_whole = start == 0 and end > recording["duration"] - 0.5 / recording["sampling_rate"]
    path, supervision = _file_of(recording, _as_list(cut.get("channel"))), supervisions[0] if supervisions else {}
    return _Cut(path, None if is_whole else round(start, _ROUNDING), None if is_whole else end, supervision)


def _file_of(recording: _Object, channels: list[int]) -> str:
    sources = [source for source in recording["sources"] if set(channels) & set(source["channels"])]
    kinds = sorted({source["type"] for source in sources} - {"file", "url"})
    if kinds:
        raise _RefusedCutError(_NO_FILE.format(", ".join(kinds)))
    if len(sources) != 1 or set(sources[0]["channels"]) != set(channels):
        raise _RefusedCutError(_CHANNEL)
    return str(sources[0]["source"])


def _channels(recording: _Object) -> list[int]:
    return [channel for source in recording["sources"] for channel in source["channels"]]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _columns(cut: _Object, found: _Cut) -> _Object:
    """Return the fields of a cut and its supervision by their dotted names; arrays that lhotse stores are none."""
    own = {name: value for name, value in found.supervision.items() if name not in (*_PLACE, "custom", "alignment")}
    fields = {f"supervision.{name}": value for name, value in own.items()}
    fields |= {f"supervision.custom.{name}": value for name, value in (found.supervision.get("custom") or {}).items()}
    fields |= {f"custom.{name}": value for name, value in (cut.get("custom") or {}).items()}
    columns = {"group": found.supervision.get("speaker"), "recording": cut["recording"]["id"], **fields}
    return {name: value for name, value in columns.items() if not isinstance(value, dict)}
