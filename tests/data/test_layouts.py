"""Well-known data sets as they are unpacked, with the configs of docs/guides/datasets.md, as miniatures."""

import os
import re

import pandas as pd
import pytest
from support.docs_blocks import ROOT
from support.miniatures import MINIATURES, RATE

from seqconv.cli.commands.evaluate import main as evaluate
from seqconv.cli.commands.init import main as init
from seqconv.cli.commands.predict import main as predict
from seqconv.config import load_config
from seqconv.config.files import parse_yaml, write_yaml
from seqconv.data.datasets import load_datasets
from seqconv.data.events.annotations import read_annotations
from seqconv.data.manifest.loading import read_manifest
from seqconv.files import is_address
from seqconv.training import train

PAGE = (ROOT / "docs" / "guides" / "datasets.md").read_text(encoding="utf-8")
CONFIGS = dict(re.findall(r"^### (.+?)\n\n```yaml\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE))
QUICK = {
    "features": {"kind": "log_mel", "sample_rate": RATE, "n_fft": 256, "hop_length": 128, "n_mels": 8},
    "model": {"blocks": [{"filters": 4, "kernel_size": 3}]},
    "training": {"epochs": 1, "warmup_epochs": 0},
    "evaluation": {"bootstrap": 0, "report": False},
    "batching": {"batch_size": 16},
}
# What is the same for all data sets, and what decides how a model is trained.
MOST_KEYS = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("layouts")


@pytest.fixture(params=MINIATURES, scope="module")
def collection(request, folder):
    """A miniature and its config, read from the folder where both are."""
    name, build = MINIATURES[request.param]
    here = folder / request.param.replace(" ", "_")
    right = build(here / name)
    (here / "config.yaml").write_text(
        write_yaml(QUICK | parse_yaml(CONFIGS[request.param], source=request.param)), encoding="utf-8"
    )
    return here, right


def test_each_config_of_the_page_has_a_miniature_and_few_keys():
    assert set(CONFIGS) == set(MINIATURES)
    for title, text in CONFIGS.items():
        sections = parse_yaml(text, source=title)
        keys = [key for name, section in sections.items() if name not in ("features", "model") for key in section]
        assert len(keys) <= MOST_KEYS, title


def test_it_is_read_as_it_is_meant(collection):
    here, right = collection
    config = load_config(here / "config.yaml")
    frame = read_manifest(config.data.manifest, collection=config.data).frame
    assert right.events == frame["label"].isna().all()

    def rows(part):
        # Several sequences may be in one file.
        found = frame[(frame["path"] + "/" + frame["id"]).str.contains(part, regex=False)]
        assert len(found) == 1 or part.endswith("/"), part
        return found.iloc[0]

    assert {part: rows(part)["label"] for part in right.labels} == right.labels
    assert {part: rows(part)["group"] for part in right.groups} == right.groups
    assert {part: rows(part)["fold"] for part in right.folds} == right.folds
    # A time of something else would be cut out of the file.
    parts = frame[["start", "end"]]
    assert parts.isna().all(axis=None) if right.parts is None else (parts == list(right.parts)).all(axis=None)


@pytest.mark.filterwarnings("default:.*archive writes them")
def test_it_trains_evaluates_and_predicts(collection, monkeypatch, capsys):
    here, right = collection
    monkeypatch.chdir(here)
    config = load_config("config.yaml", ["data.num_workers=0"])
    data = load_datasets(config.data_spec)
    if right.splits is not None:
        assert {name: len(part) for name, part in data.parts().items() if name in right.splits} == right.splits
    train(config, "run")
    evaluate(["--model", "run/model.keras"])
    some = right.predicted or data.test.metadata["path"].iloc[0]
    given = some if right.predicted or is_address(some) else os.path.relpath(some)
    predict(["--model", "run/model.keras", given])
    table = capsys.readouterr().out
    assert some in table or given in table
    scored = pd.read_csv("run/predictions.csv")
    assert scored["id"].tolist() == data.test.ids


# What `init` asks for without a terminal, and options that lead to the config of the page; its error names the first.
ASKED = {
    "TIMIT": (
        "what is to be learned may stand in several places of the paths",
        (r"data.label_from=(?P<group>(?P<label>[FM])[^/]+)/",),
    ),
    "WISDM": (
        "has a frame in each row, and no names of columns; its first row is '1', 'Jogging', '49",
        (
            "data.names=[group, label, timestamp, x, y, z]",
            "data.rows.sequence=run",
            "data.rows.max_step=1000000000",
            "features.missing=interpolate",
            "features.max_gap=1",
        ),
    ),
    "PAMAP2": ("if each of their rows is a frame, data.rows says which are a sequence", ()),
    "WebDataset": ("Archives of samples are read as webdataset:", ()),
    "lhotse": ("it holds manifests of lhotse. Give each as lhotse:FILE", ()),
}


def keys(frame):
    """What a row reads, whatever its id."""
    return list(zip(frame["path"], frame.get("case", frame["path"]), strict=True))


def test_init_finds_it_or_asks(collection, request, capsys):
    title = request.node.callspec.params["collection"]
    here, _ = collection
    name, _ = MINIATURES[title]
    output, more = here / "drafted.yaml", []
    if title in ASKED:
        question, options = ASKED[title]
        assert init([str(here / name), "--output", str(output)]) == 2
        said = capsys.readouterr().err
        assert question in said
        if not options:
            return
        assert f"--set '{options[0].partition('=')[0]}=" in said
        more = [word for option in options for word in ("--set", option)]
    assert init([str(here / name), *more, "--output", str(output)]) == 0
    drafted, own = load_config(output), load_config(here / "config.yaml")
    frames = [read_manifest(config.data.manifest, collection=config.data).frame for config in (drafted, own)]
    label = drafted.target.column
    for column in ("split", "group", "fold", "start", "end"):
        values = [dict(zip(keys(frame), frame[column].astype(str), strict=True)) for frame in frames]
        assert values[0] == values[1], column
    labels = [dict(zip(keys(frames[n]), frames[n][column], strict=True)) for n, column in enumerate((label, "label"))]
    assert labels[0] == labels[1]
    assert (drafted.target.task, drafted.target.separator) == (own.target.task, own.target.separator)
    assert drafted.split == own.split
    if own.data.events is not None:
        events = [
            read_annotations(frame, config.data.events, "negative")[1].by_id
            for frame, config in zip(frames, (drafted, own), strict=True)
        ]
        rows = [
            {name: (found.starts.tolist(), found.ends.tolist(), found.labels) for name, found in each.items()}
            for each in events
        ]
        assert rows[0] == rows[1]
        assert any(rows[0].values())
        assert (drafted.data.windows, drafted.target.background) == (own.data.windows, own.target.background)
    said = " ".join(capsys.readouterr().out.split())
    assert ("folds of the table; fold 1 is test" in said) == (own.split.folds is not None)
    assert ("cut by the run" in said) == (own.split.folds is None and frames[1]["split"].isna().all())
    train(load_config(output, ["training.epochs=1", "evaluation.report=false", "data.num_workers=0"]), here / "drafted")


def test_enough_layouts_are_found_without_help(capsys):
    found = [title for title in MINIATURES if title not in ASKED]
    with capsys.disabled():
        print(f"\ninit finds {len(found)} of {len(MINIATURES)} layouts alone, and asks at {len(ASKED)}", end=" ")
    assert len(found) >= 17
