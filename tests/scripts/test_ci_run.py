"""`.ci/run` ends with the status of its checks, and leaves nothing behind, whatever still runs."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"


def run_with(checks: str, folder: Path) -> subprocess.CompletedProcess:
    """Run the script's functions and its cleaning up, with other checks than its own."""
    functions, found, _ = SCRIPT.read_text("utf-8").partition('\nstep "clone" clone_head\n')
    assert found
    return subprocess.run(
        ["bash", "-c", f"{functions}\n{checks}"],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        ("true", 0),
        ("begin one true; finish one", 0),
        ("begin one sleep 600", 0),
        ("begin one sleep 600; false", 1),
        ("begin one bash -c 'echo broken; exit 3'; finish one", 3),
    ],
)
def test_the_status_is_that_of_the_checks(checks: str, status: int, tmp_path: Path) -> None:
    ended = run_with(checks, tmp_path)
    assert ended.returncode == status, ended.stderr
    assert list(tmp_path.iterdir()) == []
    assert ("broken" in ended.stdout) == ("broken" in checks)
