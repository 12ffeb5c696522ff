"""The errors that seqconv raises for bad input. Each names the thing, the value and the remedy."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType


class SeqconvError(ValueError):
    """Base of all errors that a user can cause and correct.

    `reasons`: of an error about several recordings, what is wrong with each, by its id.
    """

    reasons: Mapping[str, str] = MappingProxyType({})


class ConfigError(SeqconvError):
    """A config file, an override or an argument asks for something that cannot be."""


class ManifestError(SeqconvError):
    """A table of recordings, or the sequences it names, cannot be used as it is."""


class AudioError(SeqconvError):
    """A recording cannot be decoded."""


class StoreError(SeqconvError):
    """A feature store is missing, damaged or not what the caller expects."""


class StorageError(SeqconvError, OSError):
    """A file cannot be written, or an address not be reached: the disk is full, permission or network is missing."""


class ShapeError(SeqconvError):
    """An array has the wrong rank or a wrong axis."""


class ModelError(SeqconvError):
    """A saved model cannot be loaded or does not fit the data."""


def list_some(names: Iterable[object], limit: int = 5) -> str:
    """List the first few names and the count of the rest, for an error message.

    >>> list_some(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    quoted = [f"'{name}'" for name in names]
    shown = ", ".join(quoted[:limit])
    return shown if len(quoted) <= limit else f"{shown} and {len(quoted) - limit} more"
