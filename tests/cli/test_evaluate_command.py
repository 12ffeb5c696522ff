import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from seqconv.cli.commands.evaluate import main
from seqconv.models import build_model
from seqconv.reports.folder import read_scores
from seqconv.tasks.target import fit_target

ROOT = Path(__file__).parents[2]
CLASSES = ["down", "up"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder with 48 precomputed sequences, `manifest.csv` without splits and `split.csv` with them."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(48):
        array = rng.normal(size=(int(rng.integers(4, 60)), 3)) + (number % 2)
        np.save(folder / f"{number:03}.npy", array)
        split = "test" if number >= 30 else "train"
        rows.append({"id": f"{number:03}", "path": f"{number:03}.npy", "label": CLASSES[number % 2], "split": split})
    frame = pd.DataFrame(rows).assign(group=[f"g{i // 3}" for i in range(48)], room=["hall", "car", "car"] * 16)
    frame.to_csv(folder / "split.csv", index=False)
    frame.drop(columns="split").to_csv(folder / "manifest.csv", index=False)
    return folder


@pytest.fixture
def run_dir(corpus, tmp_path):
    """Return the folder of a trained run: model, config, and the splits it made."""
    target = fit_target("classification", CLASSES)
    card = {"task": "classification", "target": target.to_dict(), "features": {"kind": "precomputed"}}
    card["label_column"] = "label"
    keras.utils.set_random_seed(0)
    model = build_model({"blocks": [{"filters": 4}]}, num_features=3, num_outputs=2, card=card)
    folder = tmp_path / "run"
    folder.mkdir()
    model.save(folder / "model.keras")
    settings = f"data: {{manifest: {corpus / 'manifest.csv'}, cache_dir: {tmp_path / 'cache'}, num_workers: 0}}\n"
    (folder / "config.yaml").write_text(settings + "evaluation: {bootstrap: 20}\nfeatures: {kind: precomputed}\n")
    splits = ["train"] * 20 + ["valid"] * 12 + ["test"] * 16
    pd.DataFrame({"id": [f"{i:03}" for i in range(48)], "split": splits}).to_csv(folder / "splits.csv", index=False)
    return folder


@pytest.fixture
def stock_path(tmp_path):
    layers = [keras.Input((None, 3)), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2, "softmax")]
    keras.Sequential(layers, name="mine").save(tmp_path / "stock.keras")
    return tmp_path / "stock.keras"


def evaluate(run_dir, *options):
    return main(["--model", str(run_dir / "model.keras"), *map(str, options)])


def read(folder):
    return read_scores(folder / "metrics.json"), pd.read_csv(folder / "predictions.csv", dtype={"id": str})


def test_a_run_is_evaluated_in_the_splits_it_was_trained_with(run_dir, capsys):
    assert evaluate(run_dir) == 0
    metrics, predictions = read(run_dir)
    assert list(metrics) == ["test"]
    assert predictions["id"].tolist() == [f"{i:03}" for i in range(32, 48)]
    printed = capsys.readouterr().out
    assert "test: 16 sequences" in printed
    assert f"{metrics['test']['accuracy']:.4f}" in printed


def test_other_splits_are_added_to_the_metrics(run_dir):
    assert evaluate(run_dir) == 0
    assert evaluate(run_dir, "--split", "valid") == 0
    metrics, predictions = read(run_dir)
    assert {split: scores["num_sequences"] for split, scores in metrics.items()} == {"test": 16, "valid": 12}
    assert len(predictions) == 12


def test_all_takes_every_sequence(run_dir):
    assert evaluate(run_dir, "--split", "all") == 0
    assert read(run_dir)[0]["all"]["num_sequences"] == 48


def test_a_manifest_with_splits_uses_its_own(run_dir, corpus, tmp_path):
    assert evaluate(run_dir, "--manifest", corpus / "split.csv", "--output", tmp_path / "out") == 0
    assert read(tmp_path / "out")[0]["test"]["num_sequences"] == 18
    assert not (run_dir / "metrics.json").exists()


def test_a_foreign_manifest_without_splits_is_taken_whole_and_this_is_said(run_dir, corpus, capsys):
    frame = pd.read_csv(corpus / "manifest.csv", dtype=str)
    frame["id"] = "other" + frame["id"]
    frame.head(10).to_csv(corpus / "foreign.csv", index=False)
    assert evaluate(run_dir, "--manifest", corpus / "foreign.csv") == 0
    assert "no splits: all 10 sequences are evaluated as 'test'" in capsys.readouterr().err
    assert read(run_dir)[0]["test"]["num_sequences"] == 10


def test_a_copy_of_the_manifest_keeps_the_splits_of_training(run_dir, corpus):
    (corpus / "copy.csv").write_text((corpus / "manifest.csv").read_text())
    assert evaluate(run_dir, "--manifest", corpus / "copy.csv") == 0
    assert read(run_dir)[0]["test"]["num_sequences"] == 16


def test_a_table_of_another_layout_says_how_to_read_it_without_that_of_the_run(run_dir, corpus, capsys):
    config = run_dir / "config.yaml"
    config.write_text(config.read_text().replace("num_workers: 0}", "num_workers: 0, columns: {label: kind}}"))
    plain = corpus / "split.csv"
    other = corpus / "other.csv"
    pd.read_csv(plain).rename(columns={"label": "kind"}).to_csv(other, index=False)
    options = ["--model", str(run_dir), "--split", "test", "--manifest"]
    assert main([*options, str(other)]) == 0
    assert main([*options, str(plain)]) == 2
    said = capsys.readouterr().err
    assert "data.columns names the column 'kind', which is not there" in said
    assert said.rstrip().endswith("For one that is laid out otherwise, add --set data.columns=null.")
    assert main([*options, str(plain), "--set", "data.columns=null"]) == 0
    # What is wrong with the table itself gets no such advice.
    pd.read_csv(other).assign(path="gone.npy").to_csv(other, index=False)
    assert main([*options, str(other)]) == 2
    assert "--set" not in capsys.readouterr().err


def test_sequences_that_training_did_not_split_are_named(run_dir, corpus, capsys):
    frame = pd.read_csv(corpus / "manifest.csv", dtype=str)
    frame.loc[3, "id"] = "newcomer"
    frame.to_csv(corpus / "grown.csv", index=False)
    assert evaluate(run_dir, "--manifest", corpus / "grown.csv") == 2
    error = capsys.readouterr().err
    assert "1 sequences of the manifest were not there" in error
    assert "'newcomer'" in error


def test_sequences_in_no_split_of_the_run_are_left_out(run_dir, corpus, capsys):
    """One that could not be read then, and one that is new: the command that the run printed still works."""
    splits = pd.read_csv(run_dir / "splits.csv", dtype=str)
    splits[splits["id"] != "040"].to_csv(run_dir / "splits.csv", index=False)
    assert evaluate(run_dir) == 0
    said = capsys.readouterr().err
    assert "1 sequences of the manifest are in no split of the run, and left out: '040'" in said
    assert "040" not in read(run_dir)[1]["id"].astype(str).str.zfill(3).tolist()
    assert len(read(run_dir)[1]) == 15


@pytest.mark.parametrize("strategy", ["packed", "bucketed", "padded", "single"])
def test_the_strategy_changes_nothing(run_dir, tmp_path, strategy):
    assert evaluate(run_dir) == 0
    assert evaluate(run_dir, "--strategy", strategy, "--output", tmp_path / strategy) == 0
    pd.testing.assert_frame_equal(read(tmp_path / strategy)[1], read(run_dir)[1], rtol=1e-4)


def test_worst_sequences_are_printed_and_written_first(run_dir, capsys):
    assert evaluate(run_dir, "--worst", "2") == 0
    predictions = read(run_dir)[1]
    assert predictions["loss"].is_monotonic_decreasing
    worst = capsys.readouterr().out.split("worst 2:")[1]
    assert predictions["id"][0] in worst
    assert predictions["id"][1] in worst


def test_slices_by_a_column_of_the_manifest(run_dir):
    assert evaluate(run_dir, "--slice", "room") == 0
    assert set(read(run_dir)[0]["test"]["slices"]["room"]) == {"hall", "car"}


def test_a_stock_model_takes_labels_and_features_from_flags(stock_path, corpus, tmp_path):
    options = ["--manifest", corpus / "split.csv", "--labels", "down,up", "--set", "features.kind=precomputed"]
    options += ["--set", f"data.cache_dir={tmp_path}", "--set", "evaluation.bootstrap=0"]
    assert main(["--model", str(stock_path), *map(str, options)]) == 0
    metrics, predictions = read(stock_path.parent)
    assert metrics["test"]["num_sequences"] == 18
    stock = keras.saving.load_model(stock_path)
    for _, row in predictions.iterrows():
        alone = np.asarray(stock(np.load(corpus / f"{row['id']}.npy")[None]))[0]
        np.testing.assert_allclose([row["p_down"], row["p_up"]], alone, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split", "holdout"], "no sequence is in split 'holdout'"),
        (["--manifest", "nowhere.csv"], "nowhere.csv"),
        (["--labels", "a,b"], "--labels: the model carries its own labels"),
        (["--set", "features.kind=mfcc"], "features.kind=mfcc: the model carries its own"),
        (["--slice", "town"], "no column 'town' to slice by"),
    ],
)
def test_mistakes_end_with_a_message_and_exit_code_2(run_dir, capsys, options, message):
    assert evaluate(run_dir, *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_stock_model_without_labels_says_which_flag(stock_path, corpus, capsys):
    assert main(["--model", str(stock_path), "--manifest", str(corpus / "split.csv")]) == 2
    assert "Pass --labels A,B,C" in capsys.readouterr().err


def test_without_any_manifest_the_flag_is_named(run_dir, capsys):
    (run_dir / "config.yaml").unlink()
    assert evaluate(run_dir) == 2
    assert "Pass --manifest" in capsys.readouterr().err


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from seqconv.cli.commands.evaluate import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('tensorflow', 'keras', 'pandas', 'sklearn', 'librosa') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.splitlines()[-1] == "[]"


def test_evaluation_gives_the_numbers_that_training_saved(corpus, tmp_path):
    from seqconv.training import train

    config = {
        "data": {"manifest": str(corpus / "manifest.csv"), "cache_dir": str(tmp_path / "cache"), "num_workers": 0},
        "features": {"kind": "precomputed"},
        "model": {"blocks": [{"filters": 4}]},
        "training": {"epochs": 1},
        "evaluation": {"bootstrap": 30, "confidence": 0.9},
        "seed": 3,
    }
    run = train(config, tmp_path / "run")
    saved = read_scores(run.path / "metrics.json")
    assert evaluate(run.path) == 0
    assert read(run.path)[0] == saved


def test_a_stock_regression_is_read_in_original_units(corpus, tmp_path):
    frame = pd.read_csv(corpus / "split.csv", dtype=str).assign(age=[str(20 + i) for i in range(48)])
    frame.to_csv(corpus / "ages.csv", index=False)
    layers = [keras.Input((None, 3)), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)]
    stock = keras.Sequential(layers)
    stock.save(tmp_path / "stock.keras")
    settings = ["target.task=regression", "target.column=age", "features.kind=precomputed", "evaluation.bootstrap=0"]
    settings.append(f"data.cache_dir={tmp_path}")
    options = ["--manifest", str(corpus / "ages.csv"), *(f"--set={text}" for text in settings)]
    assert main(["--model", str(tmp_path / "stock.keras"), *options]) == 0
    _, predictions = read(tmp_path)
    assert predictions["label"].tolist() == [20.0 + i for i in range(30, 48)]
    alone = [np.asarray(stock(np.load(corpus / f"{name}.npy")[None]))[0, 0] for name in predictions["id"]]
    np.testing.assert_allclose(predictions["prediction"], alone, rtol=1e-4, atol=1e-6)
