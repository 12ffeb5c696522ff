"""Standard error of a command: Python's lines at once, those of C++ code only where it dies."""

import signal
import subprocess
import sys

import pytest

WRITES = """
import os, sys
from seqconv.config.standard_error import stderr_kept_back
with stderr_kept_back():
    os.write(2, b"F0000 tensor.cc:1] Check failed\\n")
    print("ours", file=sys.stderr)
    with stderr_kept_back():
        {ending}
print("after", file=sys.stderr)
"""


def lines_of(ending, **environment):
    # The watcher holds the pipe, too: this returns when both have ended.
    code = WRITES.format(ending=ending)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    return done.returncode, done.stderr.splitlines()


def test_what_cpp_code_writes_is_not_shown_where_nothing_fails():
    assert lines_of("pass") == (0, ["ours", "after"])
    assert lines_of("sys.exit(3)") == (3, ["ours"])


def test_all_is_shown_if_the_environment_asks_for_it():
    shown = ["F0000 tensor.cc:1] Check failed", "ours", "after"]
    assert lines_of("pass", TF_CPP_MIN_LOG_LEVEL="0") == (0, shown)
    assert lines_of("pass", TF_CPP_MIN_LOG_LEVEL="3") == (0, shown[1:])


@pytest.mark.parametrize("name", ["SIGABRT", "SIGSEGV", "SIGKILL", "SIGTERM"])
def test_a_process_that_dies_shows_what_was_held_back(name):
    number = getattr(signal, name)
    status, lines = lines_of(f"os.kill(os.getpid(), {int(number)})")
    assert (status, sorted(lines)) == (-number, ["F0000 tensor.cc:1] Check failed", "ours"])


def test_an_error_shows_it_before_the_traceback():
    status, lines = lines_of("raise RuntimeError('gone')")
    assert status == 1
    assert lines[:3] == ["ours", "F0000 tensor.cc:1] Check failed", "Traceback (most recent call last):"]
    assert lines[-1] == "RuntimeError: gone"


def test_of_many_lines_the_last_are_shown():
    _, lines = lines_of("[os.write(2, b'%d\\n' % i) for i in range(5000)]; os.abort()")
    assert lines[-1] == "4999"
    assert len(lines) < 300
