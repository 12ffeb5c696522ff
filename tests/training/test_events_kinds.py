"""Runs on long recordings of every kind: windows, frames, events by themselves; stopped, reported, as configured."""

import pandas as pd
import pytest
from support.composed import compose, config
from support.pages import read_page
from support.resuming import Stopping, assert_same_run

from seqconv.cli.commands import evaluate as evaluate_command
from seqconv.cli.commands import predict as predict_command
from seqconv.cli.commands import train as train_command
from seqconv.config import load_config
from seqconv.config.evaluation import EvaluationConfig
from seqconv.data.datasets import load_datasets
from seqconv.errors import ConfigError
from seqconv.evaluation import evaluate
from seqconv.evaluation.event_smoothing import choose_event_rules
from seqconv.models import load_model
from seqconv.prediction import predict_events
from seqconv.training import resume, train
from seqconv.training.state.interrupts import RunStopped


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return compose(tmp_path_factory.mktemp("composed") / "data")


def test_a_stopped_run_goes_on_bit_for_bit_and_knows_its_events(folder, tmp_path):
    sections = config(folder, training={"epochs": 3}, evaluation={"bootstrap": 0})
    whole = train(sections, tmp_path / "whole")
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(sections, tmp_path / "run", callbacks=[Stopping(1, 3)])
    events = pd.read_csv(folder / "events.csv")
    events["path"] = [str(folder / path) for path in events["path"]]
    events.drop(index=0).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(ConfigError, match=r"data: \d sequences are otherwise labeled or weighted: 'train00@"):
        resume(tmp_path / "run", [f"data.events={tmp_path / 'other.csv'}"])
    with pytest.raises(ConfigError, match=r"data\.windows\.hop: 0\.5 then, 0\.25 now"):
        resume(tmp_path / "run", ["data.windows.hop=0.25"])
    assert_same_run(resume(tmp_path / "run"), whole)


NONE = {"median": 0.0, "max_gap": 0.0, "min_seconds": 0.0}


def test_smoothing_of_frames_is_chosen_on_valid_and_kept_by_the_model(folder, tmp_path, capsys):
    blocks = [{"filters": 32, "kernel_size": 9}, {"filters": 32, "kernel_size": 9, "dilation_rate": 3}]
    sections = config(
        folder,
        data={"windows": None},
        model={"pooling": "frames", "blocks": blocks},
        batching={"batch_size": 2},
        training={"epochs": 25},
    )
    run = train(sections, tmp_path / "run")
    said = capsys.readouterr().out
    assert "decision events: " in said
    assert "chosen on valid: event F1 " in said
    model, data = load_model(run.path), load_datasets(load_config(sections).data_spec)
    chosen, settings = model.card.event_rules, EvaluationConfig(bootstrap=0)
    assert set(chosen) == set(NONE)
    assert chosen["median"] + chosen["min_seconds"] > 0.1
    # What the card says already changes nothing: it depends on the weights and on these sequences alone.
    again = choose_event_rules(model, data.valid, settings)
    assert again.rules == chosen
    plain = evaluate(model, data.valid, settings=EvaluationConfig(bootstrap=0, events=NONE), split_name="valid").metrics
    smooth = evaluate(model, data.valid, settings=settings, split_name="valid").metrics
    assert (again.before, again.after) == (plain["events"]["event_f1"], smooth["events"]["event_f1"])
    assert again.after > again.before
    assert smooth["events"]["num_found"] < plain["events"]["num_found"]
    assert "was chosen on valid" in smooth["notes"]["events"]
    # Test is scored, and predicted, by the same rules.
    scores = run.metrics["test"]["events"]
    assert {name: scores[name] for name in NONE} == chosen
    assert "events" not in run.metrics["test"]["notes"]
    found = predict_events(model, [folder / "test00.flac", folder / "test01.flac"])
    assert len(found) == scores["num_found"]
    raw = predict_events(model, [folder / "test00.flac", folder / "test01.flac"], **NONE)
    assert len(raw) > len(found)


def test_smoothing_that_the_config_sets_is_not_chosen(folder, tmp_path, capsys):
    sections = config(
        folder,
        data={"windows": None},
        model={"pooling": "frames"},
        training={"epochs": 1},
        evaluation={"events": {**NONE, "max_gap": 0.2}},
    )
    run = train(sections, tmp_path / "run")
    assert run.model.card.event_rules == {**NONE, "max_gap": 0.2}
    assert "decision" not in capsys.readouterr().out


def test_frames_of_windows(folder, tmp_path):
    """The frame head learns the frame labels of windows, and events of whole recordings are found again."""
    blocks = [{"filters": 32, "kernel_size": 9}, {"filters": 32, "kernel_size": 9, "dilation_rate": 3}]
    sections = config(
        folder,
        data={"windows": {"seconds": 5.0, "hop": 4.0}},
        model={"pooling": "frames", "blocks": blocks},
        batching={"batch_size": 2},
        training={"epochs": 30, "learning_rate": 1e-3},
        evaluation={"events": {"max_gap": 0.3, "min_seconds": 0.2}},
    )
    run = train(sections, tmp_path / "run")
    data = load_datasets(load_config(sections).data_spec)
    assert data.train.labels.lengths.tolist() == data.train.lengths.tolist()
    metrics = run.metrics["test"]
    assert metrics["events"]["segment_f1"] > 0.4
    assert "recordings" not in metrics
    found = predict_events(load_model(run.path / "model.keras"), folder / "test00.flac")
    assert (found["end"] - found["start"] >= 0.2 - 1e-6).all(), "the rules of the config are in the card"
    rules = evaluate(run.model, data.test, bootstrap=0, settings={"events": {"collar": 0.5}}).metrics["events"]
    assert [rules[name] for name in ("max_gap", "min_seconds", "collar")] == [0.3, 0.2, 0.5]
    again = evaluate(run.model, data.test, bootstrap=0).metrics["events"]
    assert again["event_f1"] == metrics["events"]["event_f1"], "scored as the run has scored"
    plain = evaluate(run.model, data.test, bootstrap=0, settings=EvaluationConfig(events=NONE)).metrics["events"]
    assert plain["max_gap"] == 0.0


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_windows_of_frames_without_an_event_can_be_left_out(folder, task):
    data = {"windows": {"seconds": 0.5, "keep_empty": False}}
    target = {"task": task, "background": "nobody" if task == "classification" else None}
    found = load_datasets(load_config(config(folder, data=data, target=target, model={"pooling": "frames"})).data_spec)
    every = load_datasets(load_config(config(folder, data={"windows": {"seconds": 0.5}}, target=target,
                                             model={"pooling": "frames"})).data_spec)  # fmt: skip
    nothing = every.target.names.index("nobody") if task == "classification" else 0
    busy = [name for name, frames in zip(every.test.ids, every.test.labels, strict=True) if (frames != nothing).any()]
    assert found.test.ids == busy
    assert 0 < len(busy) < len(every.test)
    assert found.test.annotations is None, "nothing is known of false alarms"
    gone = sum(map(len, every.parts().values())) - sum(map(len, found.parts().values()))
    assert f"{gone:,} windows without an event left out" in found.notes


def test_each_event_as_one_sequence(folder, tmp_path):
    data = {"windows": None, "events_as": "sequences"}
    sections = config(folder, data=data, target={"background": None})
    run = train(sections, tmp_path / "run")
    truth = pd.read_csv(folder / "events.csv")
    of_test = truth[truth["path"].str.startswith("test")]
    table = run.evaluation.predictions
    assert table["label"].tolist() == of_test["label"].tolist()
    assert table["num_frames"].to_numpy() == pytest.approx(100 * (of_test["end"] - of_test["start"]), abs=1.5)
    assert "recordings" not in run.metrics["test"]
    assert "events" not in run.metrics["test"]
    with pytest.raises(ConfigError, match="events are found by models that classify windows"):
        predict_events(run.model, folder / "test00.flac")


def test_several_labels_at_once(folder, tmp_path):
    events = pd.read_csv(folder / "events.csv")
    events["path"] = [str(folder / path) for path in events["path"]]
    spoken = events.assign(label="voice;" + events["label"].where(events["label"].isin(["en", "fr"]), "other"))
    unnamed = pd.DataFrame({"path": [str(folder / "test00.flac")], "start": [0.0], "end": [3.0], "label": [None]})
    pd.concat([spoken, unnamed]).to_csv(tmp_path / "events.csv", index=False)
    target = {"task": "multilabel", "background": None}
    run = train(config(folder, data={"events": str(tmp_path / "events.csv")}, target=target), tmp_path / "run")
    assert run.model.card.target.names == ("en", "fr", "other", "voice")
    metrics = run.metrics["test"]
    assert metrics["events"]["per_class"]["voice"]["segment_f1"] > 0.6
    assert metrics["recordings"]["per_class"]["voice"]["support"] == 2
    assert "test00@0" not in set(run.evaluation.predictions["id"]), "nobody could say what is in it"
    found = predict_events(run.model, folder / "test00.flac")
    voice = found[found["label"] == "voice"]
    assert len(voice) > 2
    assert (voice["start"].to_numpy()[1:] > voice["end"].to_numpy()[:-1]).all()


def test_windows_have_the_label_of_their_recording_where_there_are_no_events(folder, tmp_path):
    frame = pd.read_csv(folder / "manifest.csv")
    frame["path"] = [str(folder / path) for path in frame["path"]]
    frame["label"] = ["en", "fr", "en", "fr", "en", "fr", "en", "fr", "en"]
    frame.to_csv(tmp_path / "m.csv", index=False)
    data = {"manifest": str(tmp_path / "m.csv"), "events": None}
    run = train(config(folder, data=data, target={"background": None}), tmp_path / "run")
    found = run.metrics["test"]["recordings"]
    assert found["aggregate"] == "mean"
    assert found["num_recordings"] == 2
    assert "accuracy" in found
    assert run.evaluation.recordings["label"].tolist() == ["fr", "en"]


def test_a_run_writes_its_report(folder, tmp_path):
    sections = config(folder, training={"epochs": 1}, evaluation={"report": True})
    run = train(sections, tmp_path / "run")
    page = read_page(run.path / "report.html")
    assert "test00@0" in page.find("section", id="table").text
    for name in ("recordings", "events"):
        scores = {row["score"]: row["test"] for row in page.find("table", id=f"whole-{name}").table()}
        expected = run.metrics["test"][name]["macro_f1" if name == "recordings" else "event_f1"]
        assert float(scores["macro F1" if name == "recordings" else "event F1"]) == pytest.approx(expected, abs=1e-4)
        assert len(page.find("table", id=f"whole-{name}-classes").table()) == 5


def test_the_config_of_the_project_in_short(folder, tmp_path, capsys):
    here = [f"data.manifest={folder / 'manifest.csv'}", f"data.events={folder / 'events.csv'}"]
    options = [part for each in [*here, "training.epochs=2", "evaluation.report=false"] for part in ("--set", each)]
    run_dir = tmp_path / "run"
    assert train_command.main(["--config", "events.yaml", "--run-dir", str(run_dir), *options]) == 0
    assert " --events" in capsys.readouterr().out.splitlines()[-1]
    model = str(run_dir / "model.keras")
    assert evaluate_command.main(["--model", model, "--split", "test", "--output", str(tmp_path / "out")]) == 0
    assert "false alarms per hour" in capsys.readouterr().out
    assert predict_command.main(["--model", model, str(folder / "test00.flac"), "--events"]) == 0
    assert capsys.readouterr().out.startswith("id,start,end,label,score\n")


def test_the_config_of_the_project_names_the_command_that_makes_its_recordings(tmp_path, capsys):
    nowhere = ["--set", f"data.manifest={tmp_path / 'm.csv'}"]
    assert train_command.main(["--config", "events.yaml", *nowhere]) == 2
    assert "Make it with: python scripts/make_prompts.py --compose" in capsys.readouterr().err
