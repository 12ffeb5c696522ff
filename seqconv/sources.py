"""Sources of sequences: anything with `.lengths`, `.ids` and `[i] -> (time, d)`."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from seqconv.errors import ManifestError, ShapeError, list_some

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
ContentKeys = npt.NDArray[np.uint64]

_BLOCK_VALUES = 1 << 18
_HASHED_FRAMES = 1 << 16


@runtime_checkable
class Source(Protocol):
    """Sequences of any length: a feature store, arrays in memory, or a user's own class."""

    @property
    def lengths(self) -> npt.NDArray[Any]:
        """Frames of each sequence."""

    @property
    def ids(self) -> Sequence[str]:
        """Name of each sequence."""

    def __getitem__(self, index: int, /) -> npt.NDArray[Any]:
        """Return one sequence `(time, d)`."""


class SourceSpan(NamedTuple):
    """The origin of a sequence: the hash of a recording's content, and a region of it in seconds."""

    content: str
    start: float
    end: float


class ArraySource(Sequence[FloatArray]):
    """Arrays in memory as a source; converted to float32, checked once.

    Raises:
        ShapeError: not `(time, d)` with one d for all, no frames, or not numbers.
        ManifestError: values that are NaN or infinite.

    >>> ArraySource([[[1, 2]], [[3, 4], [5, 6]]]).lengths
    array([1, 2])
    """

    def __init__(self, features: Iterable[Any], ids: Sequence[str] | None = None) -> None:
        arrays = [_as_array(index, item) for index, item in enumerate(features)]
        if not arrays:
            raise ShapeError("no sequences: the list is empty, expected arrays of shape (time, d)")
        _check_shapes(arrays, ids)
        # A float64 beyond the range of float32 becomes infinite here, and is reported below.
        with np.errstate(over="ignore"):
            self._arrays: list[FloatArray] = [array.astype(np.float32, copy=False) for array in arrays]
        self.ids: Sequence[str] = [str(index) for index in range(len(arrays))] if ids is None else ids
        self.lengths: IntArray = np.array([len(array) for array in arrays], np.int64)
        self._check_values()

    def __len__(self) -> int:
        return len(self._arrays)

    def __getitem__(self, index: Any) -> Any:
        return self._arrays[index]

    def _check_values(self) -> None:
        if all(np.isfinite(block.frames).all() for block in join_arrays(self._arrays)):
            return
        wrong = [index for index, array in enumerate(self._arrays) if not np.isfinite(array).all()]
        names = [self.ids[index] if index < len(self.ids) else index for index in wrong]
        first = np.argwhere(~np.isfinite(self._arrays[wrong[0]]))[0]
        raise ManifestError(
            f"{len(wrong)} of {len(self)} sequences hold NaN, infinity or numbers beyond float32: {list_some(names)} "
            f"(first at frame {first[0]}, feature {first[1]}). Remove or replace these frames"
        )


class DerivedSource(Sequence[FloatArray]):
    """Base of sources with the sequences of another source, `source`, or parts of them."""

    source: Source

    @property
    def settings(self) -> Any:
        """Settings that the features of a store were extracted with; None for arrays."""
        return getattr(self.source, "settings", None)

    @property
    def num_features(self) -> int | None:
        """Features in a frame; None if the source does not say it."""
        return getattr(self.source, "num_features", None)

    @property
    def table_names(self) -> Any:
        """Names of the columns of the tables that a store was read from; None for arrays."""
        return getattr(self.source, "table_names", None)


class Selection(DerivedSource):
    """Some sequences of a source, in a given order; nothing is copied."""

    def __init__(self, source: Source, indices: IntArray) -> None:
        self.source: Source = source
        self.indices: IntArray = indices
        if isinstance(source, Selection):
            self.source, self.indices = source.source, source.indices[indices]
        self.lengths: IntArray = np.asarray(source.lengths, np.int64)[indices]
        self.ids: Sequence[str] = [source.ids[index] for index in indices]

    def digest(self, index: int) -> str:
        """Hash the content of a sequence."""
        return content_digest(self.source, int(self.indices[index]))

    def excerpt(self, index: int) -> SourceSpan | None:
        """Return the origin of a sequence, if its source knows it."""
        return excerpt_of(self.source, int(self.indices[index]))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        return self.source[int(self.indices[index])]

    def __iter__(self) -> Iterator[Any]:
        return (self.source[int(index)] for index in self.indices)


class FrameBlock(NamedTuple):
    """Sequences one after the other in one array: `frames` `(time, d)`, and the frames of each, `lengths` `(n,)`."""

    frames: npt.NDArray[Any]
    lengths: IntArray


def join_arrays(arrays: Iterable[npt.NDArray[Any]]) -> Iterator[FrameBlock]:
    """Join arrays `(time, d)` of one d in blocks small enough for a processor's cache; a longer one is its own block.

    >>> [block.lengths.tolist() for block in join_arrays([np.zeros((2, 1)), np.zeros((1, 1)), np.zeros((1 << 18, 1))])]
    [[2, 1], [262144]]
    """
    held: list[npt.NDArray[Any]] = []
    size = 0
    for array in arrays:
        if held and (size + array.size > _BLOCK_VALUES or array.shape[1:] != held[0].shape[1:]):
            yield _join(held)
            held, size = [], 0
        held.append(array)
        size += array.size
    if held:
        yield _join(held)


def _join(arrays: list[npt.NDArray[Any]]) -> FrameBlock:
    frames = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    return FrameBlock(frames, np.array([len(array) for array in arrays], np.int64))


def content_keys(block: FrameBlock) -> ContentKeys:
    """Hash the frames of each sequence of a block, `(n,)`; those that are equal as numbers have one key.

    >>> keys = content_keys(FrameBlock(np.array([[0.0], [1.0], [-0.0], [1.0], [1.0]], np.float32), np.array([2, 2, 1])))
    >>> keys[0] == keys[1], keys[0] == keys[2]
    (np.True_, np.False_)
    """
    frames, salt = block.frames, str(block.frames.shape[1]).encode()
    if len(block.lengths) == 1:
        digest = hashlib.blake2b(digest_size=8, salt=salt)
        for start in range(0, len(frames), _HASHED_FRAMES):
            digest.update(_bytes(frames[start : start + _HASHED_FRAMES]))
        return _as_keys([digest.digest()])
    values = _bytes(frames)
    ends = (np.cumsum(block.lengths) * (frames.shape[1] * 4)).tolist()
    return _as_keys(
        [hashlib.blake2b(values[start:end], digest_size=8, salt=salt).digest() for start, end in pairwise([0, *ends])]
    )


def _bytes(frames: npt.NDArray[Any]) -> memoryview:
    # Adding zero makes -0.0 the 0.0 that it equals.
    values = np.ascontiguousarray(frames, np.float32) + np.float32(0)
    return values.reshape(-1).view(np.uint8).data


def _as_keys(digests: list[bytes]) -> ContentKeys:
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)


def is_in_memory(source: Source) -> bool:
    """Whether the sequences are arrays in memory."""
    return isinstance(source.source if isinstance(source, Selection) else source, ArraySource)


def is_foreign(source: Source) -> bool:
    """Whether it is a user's own class, for which reading a sequence may take any time."""
    while isinstance(source, DerivedSource):
        source = source.source
    return not isinstance(source, ArraySource) and not hasattr(source, "digest")


def content_digest(source: Source, index: int) -> str:
    """Hash the content of a sequence: of its recording if the source knows that, else of its frames.

    >>> content_digest(ArraySource([[[1, 2]]]), 0)
    'c7234a17fc824461'
    """
    if hasattr(source, "digest"):
        return str(source.digest(index))
    array = np.asarray(source[index])
    return f"{content_keys(FrameBlock(array, np.array([len(array)])))[0]:016x}"


def excerpt_of(source: Source, index: int) -> SourceSpan | None:
    """Return the origin of each sequence; None if its source does not know it for any of its sequences."""
    return source.excerpt(index) if hasattr(source, "excerpt") else None


def as_source(features: Any, ids: Sequence[str] | None = None) -> Source:
    """Return `features` itself if it is a source, otherwise its arrays as one."""
    if isinstance(features, Source):
        return features
    is_iterable = isinstance(features, Iterable) or hasattr(features, "__getitem__")
    if isinstance(features, str | bytes | dict) or not is_iterable:
        raise ShapeError(
            "expected a list of arrays of shape (time, d), or a source with lengths and ids, got "
            f"{type(features).__name__}"
        )
    shape = getattr(features, "shape", None)
    if shape is not None and len(shape) == 2:
        raise ShapeError(f"an array of shape {tuple(shape)} is one sequence (time, d); pass a list: [x]")
    return ArraySource(features, ids)


def num_features(source: Source) -> int:
    """Return the d that all sequences of a source share."""
    known = getattr(source, "num_features", None)
    return int(known) if known is not None else int(source[0].shape[1])


def _as_array(index: int, item: Any) -> npt.NDArray[Any]:
    try:
        array = np.asarray(as_plain(item))
    except ValueError as error:
        raise ShapeError(f"sequence {index} is not an array (time, d): its frames differ in size") from error
    except (TypeError, RuntimeError) as error:
        raise ShapeError(
            f"sequence {index} is no array (time, d), but {type(item).__name__}: {error}. Convert it to float32"
        ) from error
    if array.dtype.kind not in "fiub":
        raise ShapeError(f"sequence {index} holds {array.dtype} values, expected numbers")
    return array


def as_plain(item: Any) -> Any:
    """Return a tensor or cell of another package (TensorFlow, PyTorch, Arrow) as NumPy or Python knows it."""
    if hasattr(item, "detach"):
        item = item.detach().cpu()
    for method in ("numpy", "as_py"):
        if hasattr(item, method):
            return getattr(item, method)()
    return item


def _check_shapes(arrays: list[npt.NDArray[Any]], ids: Sequence[str] | None) -> None:
    def refuse(indices: Iterable[int], problem: str, remedy: str = "") -> None:
        wrong = list(indices)
        if wrong:
            raise ShapeError(f"{problem} {_shapes(arrays, wrong, ids)}{remedy}")

    flat = (index for index, array in enumerate(arrays) if array.ndim == 1)
    refuse(flat, "expected arrays of shape (time, d), got", ". One number per frame is d = 1: pass x[:, None]")
    others = (index for index, array in enumerate(arrays) if array.ndim != 2)
    refuse(others, "expected arrays of shape (time, d), got")
    empty = (index for index, array in enumerate(arrays) if 0 in array.shape)
    refuse(empty, "sequences need at least one frame and one feature, got")
    widths, counts = np.unique([array.shape[1] for array in arrays], return_counts=True)
    usual = widths[counts.argmax()]
    odd = (index for index, array in enumerate(arrays) if array.shape[1] != usual)
    problem = f"all sequences need the same number of features: most have {usual}, but got"
    refuse(odd, problem, ". Is an array transposed? Time is the first axis")


def _shapes(arrays: list[npt.NDArray[Any]], indices: list[int], ids: Sequence[str] | None, limit: int = 5) -> str:
    names = [f"index {index}" if ids is None or index >= len(ids) else f"'{ids[index]}'" for index in indices[:limit]]
    shown = ", ".join(f"{arrays[index].shape} at {name}" for index, name in zip(indices, names, strict=False))
    return shown if len(indices) <= limit else f"{shown} and {len(indices) - limit} more"
