"""The site of `docs/`: it builds without a warning, needs no network, and lacks no page, name, setting or question."""

import doctest
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path, PurePosixPath

import pytest
from support.docs_blocks import blocks, run_block
from support.extras import require

from seqconv.cli.main import main
from seqconv.config import load_config
from seqconv.config.loading import config_schema
from seqconv.config.run import Config
from seqconv.parts.problems import sections_at

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HOOKS = ["docstrings", "outside_links"]
PAGES = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))
MODULES = [
    *("config", "data.manifest", "features", "data.sequences", "features.store", "batching", "layers", "models"),
    *("training", "evaluation", "prediction", "data.segmentation", "data.events.annotations", "inspection"),
    *("prediction.streaming", "experiments", "experiments.tuning"),
]
# Where a module has no `__all__`, what the design and the pages promise.
NAMES = {
    "data.sequences": ["Sequences"],
    "data.segmentation": ["cut_windows", "segment_recordings"],
    "data.events.annotations": ["read_annotations", "Annotations", "RecordingEvents"],
    "prediction.streaming": [
        *("whole.ChunkRunner", "whole.Answer"),
        *("running.running_answers", "running.streaming_delay", "running.RunningAnswer"),
    ],
}
QUESTIONS = [
    "get_weights",
    "cross all channels",
    "24x24x16, and not 24x24x128",
    "kernel size 1",
    "input shape",
    "Flatten",
    r"4-dimensional input, but got 2-dimensional input of size \[246, 248\]",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    require("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "https_proxy": "http://127.0.0.1:9"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def hooks(monkeypatch):
    """The modules of `scripts/documentation`, by name."""
    require("mkdocs")
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return lambda name: import_module(f"documentation.{name}")


@pytest.fixture
def reference(monkeypatch):
    """The script that writes the page of settings."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return import_module("documentation.config_reference")


def html_of(site, page):
    return (site / page).with_suffix(".html").read_text(encoding="utf-8")


def public_names(module):
    name = f"seqconv.{module}"
    return [f"{name}.{each}" for each in NAMES.get(module) or import_module(name).__all__]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_in_the_navigation(site, page):
    assert page in re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), flags=re.MULTILINE)
    assert "<h1" in html_of(site, page)


def test_nothing_is_fetched_from_elsewhere(site):
    fetched = re.compile(
        r"<(?:script|img|iframe|audio)\b[^>]*\bsrc=[\"']?(?:https?:)?//|<link\b[^>]*href=[\"']?(?:https?:)?//"
    )
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not fetched.search(text), page
        assert 'class="mermaid"' not in text, f"{page}: the theme fetches a library for diagrams"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_in_the_reference(site, module):
    anchors = set()
    for page in (site / "reference").glob("*.html"):
        anchors |= set(re.findall(r'id="(seqconv\.[\w.]+)"', page.read_text(encoding="utf-8")))
    names = public_names(module)
    assert names
    for name in names:
        # A function that is named like its module stands under that, and one of a room under its home.
        room, last = name.rsplit(".", 1)
        assert any(re.fullmatch(rf"{re.escape(room)}(\.\w+)*\.{last}", anchor) for anchor in anchors), name


def test_the_reference_lists_every_module(site):
    assert set(MODULES) <= set(re.findall(r"seqconv\.([\w.]+)</a>", html_of(site, "reference/index.md")))


def test_examples_and_call_arguments_are_no_plain_text_in_the_reference(site):
    text = html_of(site, "reference/layers.md")
    assert "Call arguments:</strong>" in text
    assert not re.search(r"<p>[^<]*&gt;&gt;&gt;", text)


def sections_of(model):
    """All models of settings within one, itself first."""
    met, pending = [], [model]
    while pending:
        one = pending.pop(0)
        if one not in met:
            met.append(one)
            pending += [inner for name in one.model_fields for inner in sections_at([name], one) if inner != one]
    return met


def test_every_setting_is_on_the_page_with_its_default(site):
    text = html_of(site, "reference/config.md")
    sections = sections_of(Config)
    assert len(sections) > 20
    for section in sections:
        for name, field in section.model_fields.items():
            assert name in ("type", "kind") or f"<code>{name}</code>" in text, f"{section.__name__}.{name}"
            if isinstance(field.default, int | float | str) and name not in ("type", "kind"):
                shown = field.default if isinstance(field.default, str) else json.dumps(field.default)
                rows = re.findall(rf"<tr>\s*<td><code>{name}</code></td>.*?</tr>", text, flags=re.DOTALL)
                assert any(f"<code>{shown}</code>" in row for row in rows), name


def test_settings_follow_the_schema(reference):
    settings_text = reference.settings_text
    schema = config_schema()
    schema["$defs"]["DataConfig"]["properties"]["shiny"] = {"type": "integer", "minimum": 3, "default": 7}
    assert "| `shiny` | integer ≥ 3 | `7` |" in settings_text(schema)
    assert "shiny" not in settings_text(config_schema())


def test_the_page_of_settings_is_what_the_schema_says(reference):
    written = (DOCS / "reference" / "config.md").read_text(encoding="utf-8")
    assert reference.page_text(written) == written, "python scripts/documentation/config_reference.py writes it again"


def test_links_of_settings_lead_somewhere(reference):
    text = reference.settings_text(config_schema())
    linked, titles = set(re.findall(r"\]\(#([\w-]+)\)", text)), re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
    assert len(linked) > 10
    assert linked <= set(anchors)
    assert len(anchors) == len(set(anchors))


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_has_an_answer_that_runs(question):
    text = (DOCS / "variable_length.md").read_text(encoding="utf-8")
    (answer,) = re.findall(rf"^## [^\n]*{question}[^\n]*\n(.*?)(?=^## |\Z)", text, flags=re.DOTALL | re.MULTILINE)
    assert any("# -> " in code for code in blocks(answer, "python"))


def test_the_start_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    text = (DOCS / "start.md").read_text(encoding="utf-8")
    (tmp_path / "data").symlink_to(ROOT / "data", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    run_block(blocks(text, "python")[0], {}, "start.md")
    Path("own.yaml").write_text(blocks(text, "yaml")[0], encoding="utf-8")
    commands = "".join(blocks(text, "bash")).splitlines()
    for command in commands:
        # In this process: starting TensorFlow once for each would take longer than all that it does.
        assert main(command.removeprefix("seqconv ").split()) == 0, command
    printed = capsys.readouterr().out
    assert [command.split()[1] for command in commands] == ["train", "init", "train", "evaluate", "predict", "report"]
    assert load_config("first.yaml").data.manifest == str(Path("recordings").absolute())
    assert re.search(r"it/7\.ogg,\d+,it,", printed), printed[-800:]
    assert re.search(r"ru/7\.ogg,\d+,ru,", printed), printed[-800:]
    assert Path("runs/own/report.html").is_file()
    assert load_config("runs/auto/config.yaml").recipe is None


@pytest.mark.parametrize("name", HOOKS)
def test_examples_of_the_hooks_run(hooks, name):
    failed, tried = doctest.testmod(hooks(name))
    assert tried
    assert not failed


def test_a_link_that_stays_in_the_pages_is_left_alone(hooks):
    text = "[tests](../../tests/x.py) and [models](../models.md#blocks)"
    rewritten = hooks("outside_links").rewrite_links(text, PurePosixPath("docs/guides"), None)
    assert rewritten == "`tests` and [models](../models.md#blocks)"


def test_an_example_of_several_paragraphs_ends_at_the_empty_line(hooks):
    text = hooks("docstrings").fence_examples("Say.\n\n>>> f()\n1\n\nMore.\n\n>>> g()\n2")
    assert text.count("```pycon") == 2
    assert text.split("```")[2].strip() == "More."
