"""The report of a run: its numbers are those of the run's files, whatever the task, and it needs nothing but itself."""

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from support.pages import read_page
from support.report_checks import check_alternatives, check_self_contained
from support.training_data import STRIDED_FRAMES, classified, framed, quick, toned

from seqconv.cli.commands import report as report_command
from seqconv.config import load_config
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, StoreError
from seqconv.inspection import contributions
from seqconv.metrics.intervals import Bootstrap
from seqconv.models import load_model
from seqconv.reports import write_report
from seqconv.reports.answers import calibration_bins, class_intervals, read_answers
from seqconv.reports.folder import read_run
from seqconv.reports.report_inputs import gather
from seqconv.reports.sounds import MOST_RATE, embed_sound
from seqconv.reports.tables import number
from seqconv.tasks import find_task
from seqconv.training import train
from seqconv.training.run.batches import plan_batches

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "$\\frac{x$ & </style>"]
SETTINGS = {"evaluation": {"bootstrap": 30}, "training": {"epochs": 2, "learning_rate": 0.02}}


def values(count):
    levels = np.arange(count) % 3
    return Sequences(toned(levels), np.stack([levels * 100.0, 5 - levels], axis=1))


def tagged(count):
    sets = ["a", "a;b", "", "b"]
    return Sequences(toned(np.arange(count) % 4), [sets[i % 4] for i in range(count)])


def hostile(count):
    names = [HOSTILE[i % 3] for i in range(count)]
    return Sequences(toned(np.arange(count) % 3), names, ids=[f"{i} {name}" for i, name in enumerate(names)])


RUNS = {
    "classes": (classified, {"training": {"epochs": 5, "learning_rate": 0.02}}),
    "hostile": (hostile, {"batching": {"strategy": "bucketed", "batch_size": 8}}),
    "multilabel": (tagged, {"target": {"task": "multilabel"}}),
    "regression": (values, {"target": {"task": "regression", "columns": ["height", "age"]}}),
    "frames": (framed, {"model": STRIDED_FRAMES}),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each task on arrays in memory, with its report."""
    folder = tmp_path_factory.mktemp("runs")
    for name, (make, sections) in RUNS.items():
        parts = {"train": make(40), "valid": make(12), "test": make(24)}
        data = {f"{split}_data": part for split, part in parts.items()}
        run = train(quick(**{**SETTINGS, **sections}), folder / name, **data)
        write_report(run.path, parts=parts, model=run.model)
    return folder


@pytest.fixture(scope="module")
def audio_run(tmp_path_factory):
    """A run on a few prompts, with groups, and its report."""
    folder = tmp_path_factory.mktemp("audio")
    frame = pd.read_csv(PROMPTS / "manifest.csv", dtype=str, keep_default_na=False)
    chosen = frame[frame["label"].isin(["en", "ru"])].groupby(["label", "split"]).head(9)
    chosen = chosen.assign(path=[str(PROMPTS / path) for path in chosen["path"]])
    chosen.to_csv(folder / "manifest.csv", index=False)
    features = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 24}
    data = {"manifest": str(folder / "manifest.csv"), "num_workers": 0}
    run = train(quick(**SETTINGS, data=data, features=features), folder / "run")
    write_report(run.path)
    return run.path


def page_of(folder):
    return read_page(folder / "report.html")


def numbers_of(page, name):
    return page.find("figure", id=name).find("details")


def scores_of(folder, split="test"):
    return json.loads((folder / "metrics.json").read_text())[split]


@pytest.mark.parametrize("task", RUNS)
def test_scores_are_those_of_the_run(runs, task):
    page, metrics = page_of(runs / task), scores_of(runs / task)
    shown = page.find("table", id="score-table").table()
    labels = {row["score"].replace(" ", "_").lower(): row for row in shown}
    assert {"map" if name == "map" else name for name in labels} == {
        name for name, value in metrics.items() if isinstance(value, float)
    }
    for name, row in labels.items():
        assert float(row["test"].replace(",", "")) == pytest.approx(
            metrics[name], abs=5e-2 if metrics[name] >= 100 else 5e-5
        )
        interval = metrics["intervals"].get(name)
        assert row["test interval"] == (f"{number(interval[0])} to {number(interval[1])}" if interval else "")


@pytest.mark.parametrize("task", RUNS)
def test_answers_read_back_have_the_scores_of_the_run(runs, task):
    folder = read_run(runs / task)
    answers, metrics = read_answers(folder), scores_of(runs / task)
    everything = answers.scorer(np.arange(len(answers.ids)))
    assert folder.split == "test"
    assert everything == {name: pytest.approx(metrics[name], rel=1e-9, nan_ok=True) for name in everything}
    found = class_intervals(answers, Bootstrap(folder.config.evaluation.bootstrap, 0.95), None)
    for name, scores in (metrics.get("per_class") or metrics["per_column"]).items():
        for key, interval in found[name].items():
            assert interval is None or interval[0] <= scores[key] + 1e-9, (name, key)
            assert interval is None or interval[1] >= scores[key] - 1e-9, (name, key)


@pytest.mark.parametrize("task", ["classes", "hostile", "frames"])
def test_confusion_calibration_and_classes_are_those_of_the_run(runs, task):
    page, metrics = page_of(runs / task), scores_of(runs / task)
    counts = [
        [int(text.replace(",", "")) for text in list(row.values())[1:]] for row in numbers_of(page, "confusion").table()
    ]
    assert counts == metrics["confusion_matrix"]
    bins = calibration_bins(read_answers(read_run(runs / task)), 15)
    assert sum(row[2] for row in bins) == metrics.get("num_frames", metrics["num_sequences"])
    error = sum(count * abs(right - sure) for _, _, count, sure, right in bins) / sum(row[2] for row in bins)
    assert error == pytest.approx(metrics["calibration_error"])
    assert [int(row["count"]) for row in numbers_of(page, "calibration").table()] == [row[2] for row in bins]
    for row, (name, scores) in zip(numbers_of(page, "by-class").table(), metrics["per_class"].items(), strict=True):
        assert (row["class"], row["support"]) == (" ".join(name.split()), str(scores["support"]))
        assert row["F1"] == number(scores["f1"])


@pytest.mark.parametrize("task", RUNS)
def test_scores_by_length_are_those_of_the_run(runs, task):
    shown, rows = numbers_of(page_of(runs / task), "by-length").table(), scores_of(runs / task)["by_length"]
    assert [int(row["sequences"]) for row in shown] == [row["count"] for row in rows]
    assert [int(row["longest (frames)"]) for row in shown] == [row["max_frames"] for row in rows]
    assert any(row["loss interval" if "loss interval" in row else "MAE interval"] for row in shown)


@pytest.mark.parametrize("task", RUNS)
def test_predictions_are_those_of_the_run_worst_first(runs, task):
    table = read_run(runs / task).predictions
    shown = page_of(runs / task).find("table", id="predictions")
    losses = [float(text) for text in shown.sorted_by("loss")]
    assert losses == sorted(losses, reverse=True)
    by_id = table.dropna(subset="loss").groupby("id")["loss"].mean()
    rows = dict(zip(shown.sorted_by("id"), losses, strict=True))
    assert rows == {name: pytest.approx(loss, rel=1e-12) for name, loss in by_id.items()}
    if task in ("classes", "hostile"):
        wrong = [row["id"] for row in shown.table() if row["result"] == "wrong"]
        assert set(wrong) == {" ".join(name.split()) for name in table["id"][table["label"] != table["prediction"]]}


@pytest.mark.parametrize("task", RUNS)
def test_curves_are_the_history(runs, task):
    history = read_run(runs / task).history
    shown = numbers_of(page_of(runs / task), "loss").table()
    assert [int(row["epoch"]) for row in shown] == history["epoch"].tolist()
    assert [float(row["validation loss"]) for row in shown] == pytest.approx(history["val_loss"].tolist(), abs=5e-5)


def corners(figure, color):
    """Corners of the lines that a figure draws in a color, `(n, 2)` for each line, y downwards."""
    paths = [path for path in figure.find_all("path") if re.search(rf"stroke: var\({color}\)", path["style"] or "")]
    return [np.array(re.findall(r"[ML] (\S+) (\S+)", path["d"]), float) for path in paths]


def assert_drawn(places, values):
    """Places on an axis are the values, stretched and shifted."""
    stretch, shift = np.polyfit(values, places, 1)
    np.testing.assert_allclose(places, stretch * np.asarray(values) + shift, atol=0.01)


def test_lines_are_drawn_where_the_numbers_are(runs):
    page, folder = page_of(runs / "classes"), read_run(runs / "classes")
    line, _in_legend = corners(page.find("figure", id="loss"), "--series-1")
    assert_drawn(line[:, 0], folder.history["epoch"])
    assert_drawn(line[:, 1], folder.history["val_loss"])
    assert (np.diff(line[:, 1]) > 0).tolist() == (np.diff(folder.history["val_loss"]) < 0).tolist()
    bars = [line for line in corners(page.find("figure", id="by-class"), "--series-0") if len(line) == 2]
    found = class_intervals(read_answers(folder), Bootstrap(folder.config.evaluation.bootstrap, 0.95), None)
    ends = [end for scores in found.values() for end in scores["f1"]]
    assert_drawn(np.concatenate(bars)[:, 0], ends)


@pytest.mark.parametrize("task", RUNS)
def test_every_figure_has_a_text_alternative_and_nothing_comes_from_elsewhere(runs, task):
    page = page_of(runs / task)
    check_alternatives(page)
    check_self_contained(page)


def test_recordings_come_with_sound_and_picture(audio_run):
    page = page_of(audio_run)
    check_alternatives(page)
    check_self_contained(page)
    cards, table = page.find_all("article"), read_run(audio_run).predictions.set_index("id")
    wrong = table[table["label"] != table["prediction"]]
    confident = wrong.filter(like="p_").max(axis=1).sort_values(ascending=False, kind="stable").index[:4].tolist()
    assert [card.find("h3").text for card in cards][: len(confident)] == confident
    assert len(cards) == len({card.find("h3").text for card in cards}) >= 4
    for card in cards:
        name = card.find("h3").text
        kind, data = card.find("audio")["src"].split(";base64,")
        assert kind == "data:audio/ogg"
        assert base64.b64decode(data) == (PROMPTS / f"{name}.ogg").read_bytes()
        assert float(card.find(class_="seek")["data-seconds"]) == pytest.approx(table["num_frames"][name] / 100)
        assert table["prediction"][name] in card.text
    assert (audio_run / "report.html").stat().st_size < 3e6
    assert "drawn over groups" in page.find(id="score-notes").text


def test_contributions_drawn_add_up_to_the_logit(runs):
    """The table of a recording lists what the frames add, in pieces."""
    model, parts = load_model(runs / "classes" / "model.keras"), classified(24)
    checked = 0
    for card in page_of(runs / "classes").find_all("article"):
        found = contributions(model, parts[parts.ids.index(card.find("h3").text)])
        listed = [float(row["contribution"]) for row in card.find("details").table()]
        assert sum(listed) == pytest.approx(found.frames.sum(), abs=1e-3)
        assert f"Logit of {found.label}: {found.logit:.3f}".replace("-", "\N{MINUS SIGN}") in card.text
        checked += 1
    assert checked >= 4


def test_labels_and_answers_of_frames_are_those_of_the_table(runs):
    table = read_run(runs / "frames").predictions
    for card in page_of(runs / "frames").find_all("article"):
        rows = table[table["id"] == card.find("h3").text]
        listed = card.find("details").table()
        starts = [int(row["from (frame)"]) for row in listed]
        for number_of, answer in zip(
            rows["frame"][rows["loss"].notna()], rows["prediction"][rows["loss"].notna()], strict=True
        ):
            assert listed[np.searchsorted(starts, number_of, side="right") - 1]["answer"] == answer


def test_data_counts_are_those_of_the_splits(audio_run):
    rows = {row["split"]: row for row in page_of(audio_run).find("table", id="split-table").table()}
    counts = read_run(audio_run).splits["split"].value_counts()
    assert {split: int(row["sequences"]) for split, row in rows.items()} == counts.to_dict()
    lengths = pd.read_csv(audio_run / "lengths.csv")
    assert int(rows["train"]["frames"].replace(",", "")) == lengths["num_frames"][lengths["split"] == "train"].sum()


@pytest.mark.parametrize("task", RUNS)
def test_the_plan_is_that_of_the_training(runs, task):
    """It is planned again, from the lengths that the first report has kept."""
    material = gather(runs / task)
    config = load_config(runs / task / "config.yaml")
    lengths = RUNS[task][0](40).lengths
    plan, _ = plan_batches(config, load_model(runs / task / "model.keras"), lengths)
    assert (material.plan.strategy, material.plan.shapes, len(material.plan)) == (plan.strategy, plan.shapes, len(plan))
    assert material.plan.epoch(1) == plan.epoch(1)
    page = page_of(runs / task)
    facts = dict(
        zip([name.text for name in page.find_all("dt")], [text.text for text in page.find_all("dd")], strict=False)
    )
    assert "padding ratio" in facts
    assert f"{plan.padding_ratio:.4f}" in page.find(id="data").text
    ends = [int(row["to"]) for row in numbers_of(page, "lengths").table()]
    assert ends[-1] == max(part.lengths.max() for part in (RUNS[task][0](n) for n in (40, 12, 24)))


def test_hostile_names_stay_text(runs):
    text = (runs / "hostile" / "report.html").read_text(encoding="utf-8")
    page = read_page(runs / "hostile" / "report.html")
    assert len(page.find_all("script")) == 1
    assert not page.find_all("img")
    assert "<script>alert" not in text
    assert {row["label"] for row in page.find("table", id="predictions").table()} == {
        " ".join(n.split()) for n in HOSTILE
    }
    drawn = page.find("figure", id="by-class").find("svg").text
    assert "<script>alert" in drawn


def test_a_run_that_is_reported_again_without_its_arrays_says_what_it_lacks(runs, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs / "classes", folder)
    write_report(folder)
    page = page_of(folder)
    assert "trained on arrays in memory" in page.find(class_="note").text
    assert not page.find("section", id="recordings").find_all("svg")
    assert page.find("figure", id="batch")


def test_nothing_wrong_is_said(runs, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs / "classes", folder)
    table = pd.read_csv(folder / "predictions.csv", dtype={"id": str})
    names = ["low", "mid", "top"]
    truth = np.array([names.index(label) for label in table["label"]])
    chances = np.full((len(table), 3), 0.1)
    chances[np.arange(len(table)), truth] = 0.8
    table[["p_low", "p_mid", "p_top"]], table["prediction"], table["loss"] = chances, table["label"], -np.log(0.8)
    table.to_csv(folder / "predictions.csv", index=False)
    metrics = {**scores_of(folder), **find_task("classification").score(truth, chances, names)}
    (folder / "metrics.json").write_text(json.dumps({"test": metrics}))
    write_report(folder)
    page = page_of(folder)
    assert page.find(id="nothing-wrong").text == "Of 24 sequences, none was answered wrong."
    assert not page.find_all(id="confident")
    assert len(page.find(id="hardest").find_all("article")) == 4


def test_predictions_of_no_known_split_are_not_drawn(runs, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs / "classes", folder)
    table = pd.read_csv(folder / "predictions.csv", dtype={"id": str})
    table.iloc[:7].to_csv(folder / "predictions.csv", index=False)
    write_report(folder)
    page = page_of(folder)
    assert "the scores of none of the splits" in page.find(id="score-notes").text
    assert not page.find_all("table", id="predictions")
    assert page.find("figure", id="confusion")


def test_a_run_that_stopped_early_is_reported_as_far_as_it_got(runs, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("config.yaml", "history.csv", "versions.json"):
        shutil.copy(runs / "classes" / name, folder)
    (folder / "unfinished.txt").write_text("This run did not finish: <disk full>")
    (folder / "quarantine.csv").write_text('id,path,reason\na,/a.wav,"cut, off"\n')
    assert write_report(folder) == folder / "report.html"
    page = page_of(folder)
    assert page.find_all(class_="note")[0].text == "This run did not finish: <disk full>"
    assert page.find("figure", id="loss")
    assert page.find("section", id="quarantine").table() == [{"id": "a", "path": "/a.wav", "reason": "cut, off"}]
    assert "numpy" in page.find("section", id="config").text
    assert not page.find_all("section", id="scores")


def test_what_is_no_run_is_refused(runs, tmp_path):
    with pytest.raises(ConfigError, match=r"holds no run: config\.yaml is missing"):
        write_report(tmp_path)
    with pytest.raises(ConfigError, match="is no folder"):
        write_report(tmp_path / "nowhere")
    folder = tmp_path / "run"
    shutil.copytree(runs / "classes", folder)
    (folder / "metrics.json").write_text("{")
    with pytest.raises(StoreError, match=r"metrics\.json: not readable as JSON"):
        write_report(folder)


def test_the_command_writes_the_page_and_says_where(runs, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(runs / "regression", folder)
    (folder / "report.html").unlink()
    assert report_command.main([str(folder)]) == 0
    assert f"wrote {folder / 'report.html'}" in capsys.readouterr().err
    assert page_of(folder).find("figure", id="values-1")
    assert report_command.main([str(folder), "--output", "x.html"]) == 2
    assert "--output is for comparisons" in capsys.readouterr().err
    assert report_command.main([str(tmp_path)]) == 2


def test_long_sound_is_cut_and_kept_small(tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "long.wav", 0.1 * rng.standard_normal(44_100 * 40), 44_100)
    sound = embed_sound(tmp_path / "long.wav")
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sound.url.split(",")[1])))
    assert rate == MOST_RATE
    assert len(samples) / rate == pytest.approx(30, abs=0.1)
    assert (sound.seconds, sound.note) == (40, "The first 30 of 40 s.")
    part = embed_sound(tmp_path / "long.wav", 1.0, 1.5)
    assert soundfile.info(io.BytesIO(base64.b64decode(part.url.split(",")[1]))).duration == pytest.approx(0.5, abs=0.01)
    assert embed_sound(tmp_path / "gone.wav") is None


def test_importing_the_package_imports_no_drawing():
    code = "import sys, seqconv.reports; print(sorted({'matplotlib', 'jinja2', 'pandas', 'keras'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_nothing_of_the_page_is_left_to_matplotlib(runs):
    """Colors are variables of the page, except those of pictures, which are pixels."""
    text = (runs / "classes" / "report.html").read_text(encoding="utf-8")
    drawn = "".join(re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL))
    without_pictures = re.sub(r'href="data:image/png;base64,[^"]*"', "", drawn)
    assert re.findall(r"#[0-9a-f]{6}\b", without_pictures) == []
    assert "DejaVu" not in drawn
    assert "var(--series-0)" in drawn
