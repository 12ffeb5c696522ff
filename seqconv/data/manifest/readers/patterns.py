"""Patterns of names of files, here or at addresses: braces as in a shell, and `*`, `?` and `[...]`."""

import glob
import re
from collections import Counter
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path, PurePosixPath

from seqconv.errors import ManifestError, list_some
from seqconv.files import is_address, is_web, list_files, name_of, seen_from

_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MOST_FILES = 1_000_000


def expand_braces(pattern: str) -> list[str]:
    """Return the names that a pattern with braces means.

    >>> expand_braces("{train,test}-{08..10}.tar")
    ['train-08.tar', 'train-09.tar', 'train-10.tar', 'test-08.tar', 'test-09.tar', 'test-10.tar']
    """
    parts = re.split(r"\{([^{}]*)\}", pattern)
    choices = [[part] if place % 2 == 0 else _choices(part) for place, part in enumerate(parts)]
    count = 1
    for each in choices:
        count *= len(each)
    if count > _MOST_FILES or set("{}") & set("".join(parts[::2])):
        raise ManifestError(f"'{pattern}' is no pattern of names, such as train-{{000..003}}.tar or {{a,b}}.tar.")
    return ["".join(chosen) for chosen in product(*choices)]


def _choices(inner: str) -> list[str]:
    numbers = _RANGE.fullmatch(inner)
    if numbers is None:
        # As in a shell, one name alone is no choice.
        return inner.split(",") if "," in inner else [f"{{{inner}}}"]
    first, last = numbers.groups()
    count = int(last) - int(first) + 1
    if not 0 < count <= _MOST_FILES:
        raise ManifestError(
            f"'{{{inner}}}' is no range of at most {_MOST_FILES} numbers that go up, such as {{000..003}}."
        )
    width = len(first) if first.startswith("0") else 0
    return [str(int(first) + number).zfill(width) for number in range(count)]


def find_files(pattern: str) -> list[str]:
    """Return the paths or addresses that a pattern means, in its order; what it names without signs may not be there.

    Raises:
        ManifestError: it is no pattern, matches nothing, or names a file twice.
        StorageError: an address cannot be reached.
    """
    if not is_address(pattern) and Path(pattern).is_file():
        return [seen_from(Path.cwd(), pattern)]
    found = [seen_from(Path.cwd(), file) for name in expand_braces(pattern) for file in _match(name)]
    twice = [file for file, count in Counter(found).items() if count > 1]
    if twice:
        raise ManifestError(f"the pattern names {list_some(twice)} more than once.")
    return found


def _match(pattern: str) -> list[str]:
    # Of an address of the web, a question mark begins the query.
    signs = "*[" if is_web(pattern) else "*?["
    if not set(signs) & set(pattern) or (not is_address(pattern) and Path(pattern).is_file()):
        return [pattern]
    if is_web(pattern):
        raise ManifestError(f"'{pattern}': folders of the web cannot be listed. Write braces: NAME-{{000..003}}.tar.")
    if is_address(pattern):
        folder = re.split(r"[*?\[]", pattern)[0].rpartition("/")[0]
        addresses = [seen_from(folder, name.as_posix()) for name in list_files(folder)]
        found = [each for each in addresses if each.count("/") == pattern.count("/") and fnmatchcase(each, pattern)]
    else:
        found = sorted(glob.glob(pattern))  # noqa: PTH207
    if not found:
        raise ManifestError(f"there is no file '{pattern}'.")
    return found


def short_names(files: list[str]) -> list[str]:
    """Return names of files without suffix; where two have the same, with their folders."""
    names = [PurePosixPath(name_of(file)) for file in files]
    stems = [name.stem for name in names]
    if len(set(stems)) == len(stems):
        return stems
    return [file.removesuffix(name.suffix) for file, name in zip(files, names, strict=True)]
