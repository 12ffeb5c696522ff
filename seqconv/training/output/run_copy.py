"""The copy of a run folder at an address: it follows the checkpoints, and is whole whenever it is read."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from seqconv.errors import ConfigError, StorageError
from seqconv.files.mirror import FolderMirror, hash_file
from seqconv.reports.folder import CONFIG


def claim_copy(address: str | None, run_dir: Path | None = None) -> None:
    """Check that a run can be copied to an address, before its work begins; None is no address.

    Args:
        address: where the copy is to be.
        run_dir: the folder of a run that goes on, of which there may be a copy already.

    Raises:
        ConfigError: there is the copy of another run.
        StorageError: the address cannot be reached, or not be written to.
    """
    if address is None:
        return
    mirror = FolderMirror(Path(), address)
    if not mirror.listed:
        mirror.claim()
        return
    known = mirror.listed.get(CONFIG)
    if run_dir is None or known is None or known.digest != hash_file(run_dir / CONFIG):
        raise ConfigError(
            f"training.copy_to: '{address}' holds the copy of another run. Go on with that one (--resume {address}), "
            "or name another address"
        )


class RunCopy:
    """The copy of a run folder; without an address, there is none.

    Args:
        run_dir: the folder of the run.
        address: see `training.copy_to`.
        console: that of the run, which gets a note when a copy fails.
    """

    def __init__(self, run_dir: Path, address: str | None, console: Console) -> None:
        self._run_dir, self.console = run_dir, console
        self._mirror = None if address is None else FolderMirror(run_dir, address)

    def update(self) -> None:
        """Copy the folder as it is; where that fails, the run goes on, and the next copy has what is missing."""
        if self._mirror is None:
            return
        try:
            self._mirror.update(is_finished=False)
        except OSError as error:
            note = f"the run was not copied, and goes on ({error})"
            self.console.print(f"[yellow]{'note':<9}[/]{escape(note)}", highlight=False)

    def finish(self) -> None:
        """Copy the folder of the finished run, in which files have their own names.

        Raises:
            StorageError: that failed.
        """
        if self._mirror is None:
            return
        try:
            self._mirror.update(is_finished=True)
        except OSError as error:
            raise StorageError(
                f"the run is finished in '{self._run_dir}', but was not copied to '{self._mirror.address}' ({error}). "
                f"Copy the folder yourself, or try again: --resume {self._run_dir}"
            ) from error
