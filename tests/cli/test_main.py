"""The `seqconv` command: help without weight, dispatch to the commands."""

import subprocess
import sys

import pytest

import seqconv
from seqconv.cli.main import COMMANDS, main


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"seqconv {seqconv.__version__}\n"


def test_help_lists_the_commands_and_imports_nothing_heavy():
    code = (
        "import sys\nfrom seqconv.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n"
        "    print([name for name in ('numpy', 'pandas', 'tensorflow', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_own_help(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"seqconv {command}" in capsys.readouterr().out


def test_an_unknown_command_is_an_error_that_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["trian"])
    assert "'train', 'evaluate'" in capsys.readouterr().err


def test_a_warning_is_one_line_without_code():
    code = (
        "import warnings\nfrom seqconv.cli.terminal import report_errors\n"
        "@report_errors\ndef command(argv):\n    warnings.warn('beware')\n    return 0\n"
        "command()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "warning: beware\n"


def test_a_reader_that_stops_early_gets_no_traceback():
    code = (
        "import sys\nfrom seqconv.cli.terminal import report_errors\n"
        "@report_errors\ndef command(argv=None):\n    for line in range(100_000):\n        print(line)\n    return 0\n"
        "sys.exit(command())"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141
