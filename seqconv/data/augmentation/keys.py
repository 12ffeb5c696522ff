"""Random numbers that depend on (seed, epoch, id) and nothing else: not on layout, order, worker or process."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_UNIT = 2.0**-53
_ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class SequenceKeys:
    """Keys of the random numbers of some sequences.

    Each purpose has numbers of its own, so that switching one transform on leaves those of the others alone.

    Args:
        ids: of the sequences.
        seed: of the run.

    >>> keys, turned = SequenceKeys(["a", "b"], seed=0), SequenceKeys(["b", "a"], seed=0)
    >>> bool((keys.uniform(3, "gain") == turned.uniform(3, "gain")[::-1]).all())
    True
    """

    def __init__(self, ids: Sequence[str], seed: int) -> None:
        self._seed = seed
        self._words: Words = np.array([hash_words(name)[0] for name in ids], np.uint64)

    def take(self, indices: npt.ArrayLike, repeats: npt.ArrayLike) -> "SequenceKeys":
        """Return the keys of some sequences; a sequence that comes again (`repeats`: how often before) gets other keys.

        >>> keys = SequenceKeys(["a", "b"], seed=0).take([1, 1], [0, 1])
        >>> len(set(keys.uniform(0, "gain")))
        2
        """
        taken = object.__new__(SequenceKeys)
        taken._seed = self._seed
        again = np.asarray(repeats, np.uint64)
        words = self._words[np.asarray(indices, np.int64)]
        taken._words = np.where(again > 0, _scramble(words ^ _scramble(again)), words)
        return taken

    def uniform(self, epoch: int, purpose: str) -> npt.NDArray[np.float64]:
        """Draw a number from [0, 1) for each sequence, `(n,)`."""
        mixed = _scramble(self._words ^ np.uint64(self._word(epoch, purpose)))
        return np.asarray((mixed >> np.uint64(11)).astype(np.float64) * _UNIT)

    def generator(self, epoch: int, purpose: str, index: int) -> np.random.Generator:
        """Return a generator for one sequence."""
        return _generator(int(self._words[index]), self._word(epoch, purpose))

    def _word(self, epoch: int, purpose: str) -> int:
        return hash_words(repr((self._seed, epoch, purpose)))[0]


def generator_for(*parts: object) -> np.random.Generator:
    """Return a generator that depends on the text of these values alone, in every process and on every machine.

    >>> generator_for(0, "hall.wav").random() == generator_for(0, "hall.wav").random()
    True
    """
    return _generator(*hash_words(repr(parts)))


def _generator(*words: int) -> np.random.Generator:
    # Of NumPy's, the one that draws normal numbers fastest.
    return np.random.Generator(np.random.SFC64(words))


def hash_words(text: str) -> tuple[int, int]:
    """Hash a text in a stable way, as two numbers of 64 bits."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def _scramble(words: Words) -> Words:
    """Apply the output function of SplitMix64 (Steele, Lea and Flood 2014): neighboring words become unrelated ones."""
    words = words + _ODD
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))
