"""Packages that hold data: fetched by the client of their registry, and compared with the checksum known here."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from seqconv.errors import StorageError


@dataclass(frozen=True)
class Package:
    """A package file: its name, version and SHA-256; of PyPI, or of Debian's main archive."""

    name: str
    version: str
    sha256: str
    is_debian: bool = False

    def command(self, folder: Path) -> list[str]:
        """Return the command that fetches it into the folder, where it is run."""
        if self.is_debian:
            return ["apt-get", "download", f"{self.name}={self.version}"]
        client = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
        return [*client, "--disable-pip-version-check", f"{self.name}=={self.version}"]

    def find(self, folder: Path) -> Path | None:
        """Find its file in a folder; None if it is not there."""
        begin, end = (
            (f"{self.name}_{self.version}_", ".deb") if self.is_debian else (f"{self.name}-{self.version}-", ".whl")
        )
        # apt-get writes the colon of a version as %3a.
        names = (path for path in sorted(folder.iterdir()) if unquote(path.name).startswith(begin))
        return next((path for path in names if path.name.endswith(end)), None)


def bring(package: Package, folder: Path | None, scratch: Path) -> Path:
    """Return the file of a package, from a folder where it lies or else from its registry, and check it.

    Raises:
        StorageError: it is not there or cannot be fetched (says how else to get it), or is another file than expected.
    """
    path = package.find(folder) if folder is not None and folder.is_dir() else None
    if folder is not None and path is None:
        raise StorageError(
            f"'{folder}' does not hold {package.name} {package.version}. Leave --packages out to fetch it."
        )
    path = path or _fetch(package, scratch)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != package.sha256:
        raise StorageError(
            f"'{path}' is not {package.name} {package.version} as it is known here: its SHA-256 is {found}, not "
            f"{package.sha256}. Nothing was written. Fetch it again, from another mirror."
        )
    return path


def unpack(path: Path, members: Sequence[str], folder: Path) -> Path:
    """Unpack members and licences of a wheel, or all of a Debian package, and return the folder with them, in `folder`.

    Raises:
        StorageError: dpkg-deb, which unpacks Debian packages, is not there or fails.
    """
    target = folder / f"{path.name}.unpacked"
    if path.suffix == ".deb":
        _run(["dpkg-deb", "--extract", str(path), str(target)], folder, "It unpacks Debian packages: install dpkg.")
    else:
        with zipfile.ZipFile(path) as archive:
            licences = [name for name in archive.namelist() if ".dist-info/" in name and _is_licence(Path(name))]
            archive.extractall(target, [*members, *licences])
    return target


def copy_licences(package: Package, source: Path, folder: Path) -> None:
    """Copy what an unpacked package says of its licence into a folder, under its name; of several files, with a number.

    Raises:
        StorageError: it says nothing.
    """
    known = [*source.glob("usr/share/doc/*/copyright"), *filter(_is_licence, source.glob("*.dist-info/**/*"))]
    found = sorted(path for path in known if path.is_file())
    if not found:
        raise StorageError(
            f"{package.name} {package.version} holds no file that says its licence (LICENSE, COPYING, copyright), "
            "without which it must not be used. Nothing was written."
        )
    folder.mkdir(exist_ok=True)
    for number, path in enumerate(found, start=1):
        end = "" if len(found) == 1 else f"-{number}"
        (folder / f"{package.name}{end}.txt").write_bytes(path.read_bytes())


def _is_licence(path: Path) -> bool:
    return path.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE"))


def _fetch(package: Package, scratch: Path) -> Path:
    first = " (first: apt-get update)" if package.is_debian else ""
    remedy = f"Fetch {package.name} {package.version}{first}, and pass its folder: --packages DIR."
    _run(package.command(scratch), scratch, remedy)
    path = package.find(scratch)
    if path is None:
        raise StorageError(f"{package.name} {package.version} was fetched, but another file came. {remedy}")
    return path


def _run(command: list[str], folder: Path, remedy: str) -> None:
    name = "pip" if command[0] == sys.executable else command[0]
    if name != "pip" and shutil.which(name) is None:
        raise StorageError(f"{name} is not installed on this machine. {remedy}")
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    if done.returncode:
        said = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
        raise StorageError(f"{name} failed: {said[-1].strip() if said else f'exit code {done.returncode}'}. {remedy}")
