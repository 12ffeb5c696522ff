"""Addresses of files, such as `s3://bucket/a.wav`: text, since a `pathlib.Path` would take a slash from it."""

import os
import posixpath
import re
from pathlib import Path
from typing import NamedTuple, TypeGuard
from urllib.parse import quote, unquote, urlsplit

from seqconv.errors import StorageError
from seqconv.files.local import expand_user

CACHE_VARIABLE = "SEQCONV_CACHE"
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]+://")
_TAR = re.compile(r"tar://(\d+)-(\d+)/(.*?)::(.+)", re.DOTALL)
_WEB = ("http", "https")
_MANGLED = re.compile(r"(^|/)(https?|s3a?|gs|gcs|hf|az|abfss?):/[^/]")
# What a name in a web page's address may hold as it is.
_PLAIN = "/!$&'()*+,;=:@~"


def is_address(path: str | Path) -> TypeGuard[str]:
    """Return True for the address of a file elsewhere, or of a part of an archive: `SCHEME://...`.

    >>> is_address("s3://bucket/a.wav"), is_address("C:/a.wav"), is_address(Path("a.wav"))
    (True, False, False)
    """
    return isinstance(path, str) and bool(_ADDRESS.match(path))


def hint_at_address(path: str | Path) -> str:
    """Return a sentence, after a space, on a path that was an address; "" if it was none.

    >>> hint_at_address(Path("s3://bucket/a.wav"))
    " It seems to have been an address: give it as text, since pathlib makes one slash of '://'."
    >>> hint_at_address("a.wav")
    ''
    """
    if is_address(path) or not _MANGLED.search(Path(path).as_posix()):
        return ""
    return " It seems to have been an address: give it as text, since pathlib makes one slash of '://'."


def scheme_of(address: str) -> str:
    """Return what is before `://`, in lower case."""
    return address.partition("://")[0].lower()


def is_web(path: str | Path) -> bool:
    """Whether a path is an address of the web, where folders cannot be listed."""
    return is_address(path) and scheme_of(path) in _WEB


class TarMember(NamedTuple):
    """A file inside a tar archive: bytes `start` to `stop` of the archive at `shard`, a path or an address."""

    start: int
    stop: int
    name: str
    shard: str

    @property
    def address(self) -> str:
        """The address of the member.

        >>> TarMember(512, 1536, "a/0.wav", "/data/x.tar").address
        'tar://512-1536/a/0.wav::/data/x.tar'
        """
        return f"tar://{self.start}-{self.stop}/{quote(self.name, safe='/ ')}::{self.shard}"


def tar_member(path: str | Path) -> TarMember | None:
    """Return the member of an archive that an address names; None if it names something else.

    >>> tar_member("tar://512-1536/a/0.wav::s3://bucket/x.tar")
    TarMember(start=512, stop=1536, name='a/0.wav', shard='s3://bucket/x.tar')
    """
    found = _TAR.fullmatch(path) if isinstance(path, str) else None
    return None if found is None else TarMember(int(found[1]), int(found[2]), unquote(found[3]), found[4])


def name_of(path: str | Path) -> str:
    """Return the name of a file, without folders, and without the query of an address of the web.

    >>> name_of("https://host/a%20b.wav?token=x/y"), name_of("s3://bucket/a?.wav"), name_of("folder/a.wav")
    ('a b.wav', 'a?.wav', 'a.wav')
    """
    if not is_address(path):
        return Path(path).name
    if member := tar_member(path):
        return posixpath.basename(member.name)
    return unquote(posixpath.basename(urlsplit(path).path)) if is_web(path) else path.rstrip("/").rpartition("/")[2]


def suffix_of(path: str | Path) -> str:
    """Return the suffix of a file in lower case.

    >>> suffix_of("https://host/a.WAV?token=x.y"), suffix_of("a.tar.gz")
    ('.wav', '.gz')
    """
    # As text: it is asked of each of many files.
    return os.path.splitext(name_of(path) if is_address(path) else path)[1].lower()  # noqa: PTH122


def folder_of(path: str) -> str:
    """Return the folder of a file; of a member of an archive, the archive.

    >>> folder_of("https://host/a/b.csv?token=x"), folder_of("/a/b.csv"), folder_of("s3://bucket")
    ('https://host/a', '/a', 's3://bucket')
    """
    if not is_address(path):
        return str(Path(path).parent)
    if member := tar_member(path):
        return member.shard
    whole = path.partition("?")[0] if is_web(path) else path
    scheme, _, rest = whole.partition("://")
    return f"{scheme}://{rest.rpartition('/')[0] or rest}"


def local_path(path: str | Path) -> Path:
    """Return the path of what must be on this machine.

    Raises:
        StorageError: it is an address.
    """
    if is_address(path):
        raise StorageError(
            f"'{path}' is an address, but this must be on this machine. Copy it here, and give its path."
        )
    return Path(path)


def cache_folder(given: str | Path | None = None) -> Path:
    """Return the folder of caches: the one given, or $SEQCONV_CACHE, or the user's.

    Raises:
        StorageError: it is an address.
    """
    import platformdirs

    return local_path(given or os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_path("seqconv"))


def seen_from(folder: str | Path, path: str) -> str:
    """Return the absolute path or the address that `path` means in a folder, which may be an address; `~` is the home.

    >>> seen_from("s3://bucket/meta", "../clips/a.wav"), seen_from("/data", "s3://bucket/a.wav")
    ('s3://bucket/clips/a.wav', 's3://bucket/a.wav')
    >>> seen_from("https://host/meta", "a#1.wav"), Path(seen_from("/data/meta", "../a.wav")).as_posix()
    ('https://host/meta/a%231.wav', '/data/a.wav')
    """
    if is_address(path):
        return path
    local = str(expand_user(path)) if path.startswith("~") else path
    if is_address(folder) and not os.path.isabs(local):  # noqa: PTH117
        scheme, _, rest = folder.partition("://")
        host, _, start = rest.partition("/")
        joined = posixpath.normpath(posixpath.join("/", start, quote(path, safe=_PLAIN) if is_web(folder) else path))
        return f"{scheme}://{host}{joined}"
    # Not resolve(): where recordings are links, the paths stay those that the user wrote. As text: for many files.
    return os.path.abspath(os.path.join(folder, local))  # noqa: PTH100, PTH118
