"""Ways to files at addresses, by fsspec: what goes wrong on them is told with the address and a remedy."""

import errno
import os
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from seqconv.errors import SeqconvError, StorageError
from seqconv.files.addresses import is_web, scheme_of

# The packages by which fsspec reads addresses of a scheme.
PACKAGES = {
    **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "adlfs"),
    "hf": "huggingface_hub",
    "sftp": "paramiko",
}
# Web servers only: the packages of other stores try again themselves.
_WEB_ATTEMPTS = 3
_SECONDS_BETWEEN = 0.5
_SECONDS_TO_CONNECT, _SECONDS_OF_SILENCE = 30, 60
_TOO_MANY_REQUESTS = 429

Result = TypeVar("Result")


def reach(address: str, action: Callable[[Any, str], Result]) -> Result:
    """Return what `action(file system of fsspec, path in it)` does at an address.

    Raises:
        FileNotFoundError: there is nothing.
        StorageError: it cannot be reached: a package or a permission is missing, or nobody answers.
    """
    attempts = _WEB_ATTEMPTS if is_web(address) else 1
    for attempt in range(1, attempts + 1):
        try:
            return action(*_locate(address))
        except SeqconvError:
            raise
        except Exception as error:
            # Whatever is wrong, fsspec's HTTP says that there is no file; the reason is behind it.
            behind = error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ else error
            if attempt == attempts or not _may_pass(behind):
                raise _explain(behind, address) from error
            time.sleep(_SECONDS_BETWEEN * attempt)
    raise StorageError(f"{address}: nothing was tried")


def _locate(address: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path in it."""
    import fsspec

    scheme = scheme_of(address)
    kind = fsspec.get_filesystem_class(scheme)
    address = f"{scheme}://{address.partition('://')[2]}"
    options = kind._get_kwargs_from_urls(address)
    return _system(scheme, tuple(sorted(options.items())), os.getpid()), kind._strip_protocol(address)


@lru_cache(maxsize=16)
def _system(scheme: str, options: tuple[tuple[str, Any], ...], owner: int) -> Any:
    """Return a file system for all threads of a process: fsspec makes one for each, which takes S3 a third of a
    second."""
    import fsspec

    # Listings that were kept would hide what has changed since.
    more: dict[str, Any] = {**dict(options), "use_listings_cache": False}
    if scheme in ("file", "local"):
        more["auto_mkdir"] = True
    if scheme in ("http", "https"):
        more["client_kwargs"] = _web_options(fsspec.config.conf.get(scheme, {}))
    return fsspec.filesystem(scheme, **more)


def _web_options(configured: dict[str, Any]) -> dict[str, Any]:
    """Return options of aiohttp's client: a long file may take hours, as long as something comes."""
    import aiohttp

    limits = aiohttp.ClientTimeout(total=None, sock_connect=_SECONDS_TO_CONNECT, sock_read=_SECONDS_OF_SILENCE)
    return {"timeout": limits, "trust_env": True, **configured.get("client_kwargs", {})}


def _may_pass(error: BaseException) -> bool:
    """Whether another attempt may succeed."""
    status = _status_in(error)
    if status is not None:
        return status >= 500 or status == _TOO_MANY_REQUESTS
    return not isinstance(error, FileNotFoundError | PermissionError | ImportError | ValueError | TypeError)


def _status_in(error: BaseException) -> int | None:
    """Return the status of HTTP that an error of aiohttp, of AWS's or of Google's packages tells."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        # Google's is called `code`, a name for which aiohttp warns.
        status = error.status if hasattr(error, "status") else getattr(error, "code", None)
    return status if isinstance(status, int) else None


def _explain(error: BaseException, address: str) -> OSError:
    """Return an error of ours that says what is wrong, and what to do."""
    scheme, status = scheme_of(address), _status_in(error)
    reason = str(error).strip() or type(error).__name__
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            f"{address}: there is no room for a copy of it ({reason}). Make room, or set TMPDIR to a "
            "folder on another disk"
        )
    if status == 404 or isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "there is no such file", address)
    if isinstance(error, ImportError):
        package = PACKAGES.get(scheme)
        remedy = reason if package is None else f"pip install {package}"
        return StorageError(f"{address}: addresses '{scheme}://' need a package that is not installed: {remedy}")
    if isinstance(error, ValueError) and "not known" in reason:
        return StorageError(f"{address}: '{scheme}://' is no known kind of address; known are {', '.join(PACKAGES)}")
    if status in (401, 403) or isinstance(error, PermissionError) or "redential" in type(error).__name__ + reason:
        return StorageError(f"{address}: access is denied ({reason}), or there is no such file. {_credentials(scheme)}")
    return StorageError(
        f"{address}: cannot be reached ({type(error).__name__}: {reason}). Is the address right, and does the network "
        "work? Or copy the data to this machine"
    )


def _credentials(scheme: str) -> str:
    if scheme in ("http", "https"):
        return "Use an address that may be read without a password, or copy the data to this machine"
    if scheme in ("s3", "s3a"):
        return "Give credentials as for the AWS command line; for a public bucket set FSSPEC_S3_ANON=true"
    return f"Give credentials as {PACKAGES.get(scheme, 'fsspec')} reads them"
