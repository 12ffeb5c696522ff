"""The documentation is true: its Python runs, its configs load, its links, scripts, flags and settings exist."""

import os
import re
import subprocess
import sys

import pytest
from support.docs_blocks import ROOT, blocks, run_block
from support.extras import require

from seqconv.cli.commands import plan
from seqconv.cli.main import COMMANDS, main
from seqconv.config import load_config
from seqconv.config.run import Config
from seqconv.parts.problems import sections_at
from seqconv.training import dry_run

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_LINKS = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "data").rglob("README.md"))]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
WRAPPERS = [script for script in SCRIPTS if "from seqconv.cli.commands" in script.read_text(encoding="utf-8")]
SETTING = re.compile(rf"`((?:{'|'.join(Config.model_fields)})(?:\.(?!keras|csv|json)\w+)+)(?:: ([^`]+))?`")
SET_UP = ["pip install -e . && python scripts/train.py --config audio.yaml", "pip install -e '.[test]' && pytest"]
LISTS_HEAVY_MODULES = """
import runpy, sys
sys.argv = [sys.argv[1], "--help"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as done:
    print("exit", done.code)
print("heavy", sorted({"tensorflow", "keras", "pandas", "sklearn", "librosa"} & set(sys.modules)))
"""


def page_name(page):
    return page.relative_to(ROOT).as_posix()


# `test_docs_other_files.py` runs the blocks of the others, with files to read.
RUN = [page for page in PAGES if "```python" in page.read_text("utf-8") and page.stem != "other_files"]


@pytest.mark.parametrize("page", RUN, ids=page_name)
def test_python_blocks_run(page, checkout):
    if page.stem == "tuning":
        require("optuna")
    namespace = {}
    for code in blocks(page.read_text(encoding="utf-8"), "python"):
        run_block(code, namespace, page_name(page))


def test_a_wrong_output_in_a_page_is_found():
    run_block("x = 2\nprint(x)  # -> 2\n", {}, "page")
    with pytest.raises(AssertionError, match="-> 3"):
        run_block("print(2)  # -> 3\n", {}, "page")
    with pytest.raises(AssertionError, match="nobody checks"):
        run_block("for x in 1, 2:\n    print(x)  # -> 3\n    x += 1\n", {}, "page")


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_yaml_blocks_are_configs(page, tmp_path):
    for number, text in enumerate(blocks(page.read_text(encoding="utf-8"), "yaml")):
        path = tmp_path / f"block{number}.yaml"
        path.write_text(text, encoding="utf-8")
        load_config(path)


@pytest.mark.parametrize("page", WITH_LINKS, ids=page_name)
def test_relative_links_resolve(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            path, _, heading = target.partition("#")
            linked = page.parent / path if path else page
            assert linked.exists(), target
            assert not heading or heading in headings(linked), target


def headings(page):
    """The anchors that GitHub gives to headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_settings_that_pages_name_exist(page):
    for setting, value in SETTING.findall(page.read_text(encoding="utf-8")):
        section, name = setting.split(".", 1)
        if value:
            load_config({}, [f"{setting}={value}"])
        else:
            assert any(name in each.model_fields for each in sections_at([section], Config)), setting


def test_readme_holds_the_two_set_up_lines_in_a_block_of_their_own():
    assert blocks(README, "").count("\n".join(SET_UP) + "\n") == 1


def test_readme_lists_every_command_and_every_other_script():
    commands = re.findall(r"^\| `seqconv (\w+)` \|.*\| `seqconv (\w+)", README, flags=re.MULTILINE)
    assert commands == [(name, name) for name in dict(commands)]
    assert sorted(dict(commands)) == sorted(COMMANDS)
    listed = re.findall(r"^\| `(\w+)` \|.*`python scripts/(\w+)\.py", README, flags=re.MULTILINE)
    assert all(name == script for name, script in listed)
    assert sorted(name for name, _ in listed) == [script.stem for script in SCRIPTS if script not in WRAPPERS]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_help_is_light_and_knows_the_flags_of_the_pages(script):
    done = subprocess.run(
        [sys.executable, "-c", LISTS_HEAVY_MODULES, str(script)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert done.stdout.endswith("exit 0\nheavy []\n"), done.stdout[-200:]
    for page in PAGES:
        check_flags(page, f"python scripts/{script.name}", done.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_know_the_flags_of_the_pages(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    known = capsys.readouterr().out
    for page in [*WITH_LINKS, *CONFIGS]:
        check_flags(page, f"seqconv {command}", known)


def check_flags(page, command, known):
    """Check that the flags with which a page names a command are those of its help."""
    for rest in re.findall(rf"{re.escape(command)}\b([^`\n#]*)", page.read_text(encoding="utf-8")):
        # A line may go on with another command behind a bar.
        for flag in re.findall(r"--[\w-]+", rest.split("|")[0]):
            assert re.search(rf"{flag}\b", known), f"{page_name(page)}: {command} {flag}"


def test_commands_that_pages_name_exist():
    for page in [*WITH_LINKS, *CONFIGS]:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"python scripts/(\w+\.py)", text):
            assert (ROOT / "scripts" / name).is_file(), f"{page_name(page)}: {name}"
        code = "\n".join([*re.findall(r"`[^`\n]+`", text), *blocks(text, "bash"), *blocks(text, "")])
        for name in re.findall(r"(?:^|`|\| )seqconv ([a-z]+)\b", code, flags=re.MULTILINE):
            assert name in COMMANDS, f"{page_name(page)}: seqconv {name}"


def test_pages_have_one_name_for_each_command():
    """For those who install it: `scripts/` is there only in a clone."""
    wrappers = "|".join(script.stem for script in WRAPPERS)
    for page in [*PAGES, *CONFIGS]:
        text = page.read_text(encoding="utf-8").replace(SET_UP[0], "")
        named = re.findall(rf"python scripts/(?:{wrappers})\.py", text)
        assert named == (["python scripts/train.py"] if page.name == "README.md" else []), page_name(page)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_configs_say_how_they_were_measured(config):
    header = [line for line in config.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert f"seqconv train --config {config.name}" in "\n".join(header)
    load_config(config.name)


def test_readme_lists_every_config_with_its_score():
    rows = dict(
        re.findall(
            r"^\| \[(\w+)\]\(configs/\w+\.yaml\) \|.*\| (?:accuracy|macro F1|R2|token error rate) ([\d.]+) \|",
            README,
            flags=re.MULTILINE,
        )
    )
    assert sorted(rows) == [config.stem for config in CONFIGS]
    for config in CONFIGS:
        header = " ".join(re.findall(r"^#\s+(.*)", config.read_text(encoding="utf-8"), flags=re.MULTILINE))
        assert re.search(rf"Score: (accuracy|macro F1|R2|token error rate) {rows[config.stem]}\b", header), config.name


def test_padding_in_the_readme_is_what_plan_prints(capsys):
    assert plan.main(["--config", "audio.yaml"]) == 0
    printed = {
        words[0]: float(words[3])
        for words in map(str.split, capsys.readouterr().out.splitlines())
        if words and words[0] in ("single", "padded", "bucketed", "packed")
    }
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([\d.]+) % \|", README, flags=re.MULTILINE)
    assert {name: float(percent) for name, percent in rows} == {
        name: round(100 * ratio, 1) for name, ratio in printed.items()
    }


def test_what_a_run_says_first_is_what_the_readme_shows(capsys):
    shown = blocks(README, "text")[0].splitlines()
    dry_run("audio.yaml")
    said = capsys.readouterr().out.splitlines()
    for name in ("data", "model", "batches", "training"):
        (line,) = [line for line in shown[:5] if line.startswith(name)]
        assert line in said
