"""scripts/benchmark.py: fair rounds, ratios pair by pair, rows and tables; every benchmark runs in a tiny setting."""

import importlib
import json
import math
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

pytestmark = pytest.mark.usefixtures("scripts")
SCRIPTS = Path(__file__).parents[2] / "scripts"
FIELDS = ["benchmark", "lengths", "contestant", "metric", "median", "low", "high"]
HEAVY = {"tensorflow", "keras", "pandas", "numba"}
LISTS_HEAVY_MODULES = f"""
import runpy, sys
sys.argv = [{str(SCRIPTS / "train.py")!r}, "--help"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit:
    print("heavy", sorted({HEAVY} & set(sys.modules)))
"""


def load(name):
    return importlib.import_module(name)


class Counting:
    """A contestant whose values are known: `value * round`."""

    note = ""
    lengths = "made up"

    def __init__(self, name, value, calls):
        self.name, self.value, self.calls = name, value, calls

    def measure(self, round_number):
        self.calls.append((round_number, self.name))
        return {"speed": self.value * round_number}


def run_quickly(tmp_path, *arguments):
    """The rows of a tiny run in this process."""
    path = tmp_path / "rows.json"
    assert load("benchmark").main([*arguments, "--quick", "--json", str(path)]) == 0
    return check_rows(path)


def check_rows(path):
    """Rows by (lengths, contestant, metric), when all of them are as they should be."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert rows
    for row in rows:
        assert list(row) == FIELDS
        numbers = [row[name] for name in ("low", "median", "high")]
        assert numbers == [None] * 3 or (numbers == sorted(numbers) and all(map(math.isfinite, numbers)))
    by_key = {(row["lengths"], row["contestant"], row["metric"]): row for row in rows}
    assert len(by_key) == len(rows)
    return by_key


def contestants_of(rows):
    return {contestant for _, contestant, metric in rows if metric != "ratio"}


def test_contestants_take_turns_and_the_warm_up_does_not_count():
    rounds, settings = load("benchmarks.rounds"), load("benchmarks.settings").Settings(repeats=3)
    calls = []
    series = rounds.run_rounds([Counting(name, 1.0, calls) for name in "abc"], settings)
    assert [name for number, name in calls if number == 0] == ["a", "b", "c"]
    in_rounds = [[name for number, name in calls if number == k] for k in (1, 2, 3)]
    assert all(sorted(names) == ["a", "b", "c"] for names in in_rounds)
    assert len({names[0] for names in in_rounds}) == 3, "nobody always comes first"
    assert [list(entry.metrics["speed"]) for entry in series] == [[1.0, 2.0, 3.0]] * 3


def test_ratios_are_those_of_each_round():
    results = load("benchmarks.results")
    ours, theirs = [2.0, 9.0, 4.0], [1.0, 3.0, 4.0]
    series = [results.Series(name, "x", {"speed": values}) for name, values in (("a", ours), ("b", theirs))]
    rows = list(results.Comparison("b", "t", series, "speed", [("a", "b"), ("a", "nobody")]).rows())
    assert [row.contestant for row in rows] == ["a", "b", "a / b"]
    # 2, 3 and 1: not the ratio of the medians, 4 / 3.
    assert rows[-1] == results.Row("b", "x", "a / b", "ratio", 2.0, 1.0, 3.0)


def test_a_missing_peer_is_said_and_has_rows_without_numbers(capsys):
    results, rounds = load("benchmarks.results"), load("benchmarks.rounds")
    reason = load("benchmarks.peers").why_missing("sys", "no_such_package")
    assert reason == "no_such_package not installed: pip install -e '.[benchmark]'"
    assert load("benchmarks.peers").why_missing("sys", "json") is None
    entries = [Counting("a", 1.0, []), rounds.Missing("peer", "x", reason, ("speed",))]
    series = rounds.run_rounds(entries, load("benchmarks.settings").Settings(is_quick=True))
    comparison = results.Comparison("b", "title", series, "speed", [("a", "peer")])
    rows = {(row.contestant, row.metric): row for row in comparison.rows()}
    assert rows["peer", "speed"][-3:] == rows["a / peer", "ratio"][-3:] == (None, None, None)
    comparison.print(Console(width=160))
    printed = capsys.readouterr().out
    assert "missing: peer: no_such_package not installed: pip install -e '.[benchmark]'\n" in printed
    assert printed.count("missing") == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["startup", "--accuracy"], "--accuracy belongs to the benchmark 'training'"),
        (["planning", "--repeats", "0"], "--repeats 0: expected 1 or more"),
        (["extraction", "--prompts", "folder"], "--prompts is no use to the benchmark 'extraction'. Leave it out"),
        (["startup", "--lengths", "prompts"], "--lengths is no use to the benchmark 'startup'. Leave it out"),
        (
            ["training", "--accuracy", "--lengths", "prompts"],
            "--lengths is no use to the benchmark 'training' with --acc",
        ),
        (["planning", "--lengths", "prompts,speech"], "--lengths speech: expected some of prompts-clipped, prompts"),
    ],
)
def test_wrong_options_are_said(arguments, message, capsys):
    assert load("benchmark").main(arguments) == 2
    assert message in capsys.readouterr().err


def test_lengths_are_those_of_the_corpus():
    lengths, settings = load("benchmarks.lengths"), load("benchmarks.settings").Settings()
    whole = lengths.read_lengths("prompts", settings, num_lognormal=0)
    clipped = lengths.read_lengths("prompts-clipped", settings, num_lognormal=0)
    assert (len(whole), whole.min(), whole.max()) == (2780, 21, 8562)
    np.testing.assert_array_equal(clipped, np.minimum(whole, 1000))
    drawn = lengths.read_lengths("lognormal", settings, num_lognormal=20_000)
    assert len(drawn) == 20_000
    assert np.log(drawn).std() == pytest.approx(1, abs=0.03)


def test_length_grouped_batches_hold_everything_once_and_are_sorted_within(rng):
    lengths = rng.integers(1, 500, size=1003)
    batches = load("benchmarks.buckets").group_by_length(lengths, batch_size=8, seed=1)
    assert sorted(np.concatenate(batches)) == list(range(1003))
    assert lengths[batches[0][0]] == lengths.max()
    padding = sum(len(batch) * lengths[batch].max() for batch in batches) / lengths.sum() - 1
    assert padding < 0.1


def test_hand_set_boundaries_hold_equally_many_frames(rng):
    lengths = np.maximum(rng.lognormal(5, 1, 5000).astype(int), 1)
    bounds = load("benchmarks.buckets").hand_set_boundaries(lengths)
    assert bounds[-1] == lengths.max()
    shares = np.bincount(np.searchsorted(bounds, lengths), weights=lengths) / lengths.sum()
    np.testing.assert_allclose(shares, 1 / len(bounds), atol=0.01)


def test_crops_are_parts_of_the_sequence_and_short_ones_are_repeated():
    random_crop = load("benchmarks.stock_training").random_crop
    frames = np.arange(20, dtype="float32")[:, None]
    starts = set()
    for _ in range(30):
        crop = random_crop(frames, 8).numpy()[:, 0]
        starts.add(crop[0])
        np.testing.assert_array_equal(crop, crop[0] + np.arange(8))
    assert len(starts) > 5
    assert max(starts) <= 12
    np.testing.assert_array_equal(random_crop(frames[:3], 8).numpy()[:, 0], [0, 1, 2, 0, 1, 2, 0, 1])


def test_all_train_the_same_network(rng):
    from seqconv.models import build_model

    networks = load("benchmarks.networks")
    stock = networks.stock_network()
    ours = build_model(networks.MODEL_CONFIG, num_features=networks.NUM_FEATURES, num_outputs=networks.NUM_CLASSES)
    # First come mean and variance of the features, which stay 0 and 1.
    ours.set_weights([*ours.get_weights()[:2], *stock.get_weights()])
    sequence = rng.standard_normal((2, 90, networks.NUM_FEATURES)).astype("float32")
    np.testing.assert_allclose(ours.predict(sequence), stock.predict(sequence, verbose=0), rtol=1e-4, atol=1e-5)


def test_both_train_the_same_network_over_bands(rng):
    from seqconv.models import build_model

    networks = load("benchmarks.networks")
    stock = networks.stock_network_2d()
    ours = build_model(networks.MODEL_CONFIG_2D, num_features=networks.NUM_FEATURES, num_outputs=networks.NUM_CLASSES)
    ours.set_weights([*ours.get_weights()[:2], *stock.get_weights()])
    # Of an even number of frames, Keras's strides begin at another frame.
    sequence = rng.standard_normal((2, 91, networks.NUM_FEATURES)).astype("float32")
    np.testing.assert_allclose(ours.predict(sequence), stock.predict(sequence, verbose=0), rtol=1e-4, atol=1e-5)


def test_planning(tmp_path):
    # PyTorch, where it is installed, crashes when it is imported after TensorFlow: a process of its own.
    path = tmp_path / "rows.json"
    command = ["planning", "--quick", "--lengths", "prompts-clipped", "--json", str(path)]
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "benchmark.py"), *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "these numbers mean nothing" in done.stdout
    rows = check_rows(path)
    names = contestants_of(rows)
    assert {"seqconv packed", "seqconv bucketed", "seqconv padded", "tf.data bucket_by_sequence_length"} < names
    assert rows["prompts-clipped", "seqconv packed", "padding ratio"]["median"] < 0.5
    for package, peer in (("lhotse", "lhotse DynamicBucketingSampler, 30 buckets"),
                          ("speechbrain", "SpeechBrain DynamicBatchSampler, 30 buckets")):  # fmt: skip
        is_absent = not (find_spec(package) and find_spec("torch"))
        assert (rows["prompts-clipped", peer, "sequences/s"]["median"] is None) == is_absent
        assert (rows["prompts-clipped", f"seqconv packed / {peer}", "ratio"]["median"] is None) == is_absent
        assert (f"missing: {peer}: " in done.stdout) == is_absent


def test_training(tmp_path, capsys):
    rows = run_quickly(tmp_path, "training", "--lengths", "prompts-clipped", "--only", "limit,packed,tf.data")
    assert contestants_of(rows) == {
        "limit", "seqconv packed", "tf.data buckets, fitted", "tf.data buckets, doubling",
    }  # fmt: skip
    assert rows["prompts-clipped", "limit", "padding per real frame"]["high"] == 0
    assert rows["prompts-clipped", "seqconv packed / limit", "ratio"]["median"] > 0
    assert "these numbers mean nothing" in capsys.readouterr().out


def test_training_over_bands(tmp_path):
    rows = run_quickly(tmp_path, "training2d", "--only", "limit,packed")
    assert contestants_of(rows) == {"limit", "seqconv packed"}
    assert rows["prompts-clipped", "seqconv packed / limit", "ratio"]["median"] > 0


def test_attention(tmp_path):
    rows = run_quickly(tmp_path, "attention")
    names = "in blocks of the longest sequence", "the square of the row"
    assert contestants_of(rows) == {*names}
    assert rows["prompts-clipped", " / ".join(names), "ratio"]["median"] > 0


def test_inference(tmp_path):
    rows = run_quickly(tmp_path, "inference", "--only", "seqconv,model(x)")
    assert contestants_of(rows) == {"seqconv", "model(x), one at a time"}
    assert ("prompts", "seqconv / model(x), one at a time", "ratio") in rows


@pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")  # librosa.load
def test_extraction(tmp_path):
    chosen = ("ogg-8k", "mp3-16k", "wav-16k-clips", "wav-16k-hours")
    only = "librosa,seqconv build_store, 1"
    rows = run_quickly(tmp_path, "extraction", "--only", only, "--lengths", ",".join(chosen))
    assert list(dict.fromkeys(lengths for lengths, *_ in rows)) == list(chosen), "and nothing else, wav-16k for one"
    for name in chosen:
        assert rows[name, "seqconv build_store, 1 process / plain librosa loop, 1 process", "ratio"]["median"] > 0


def test_corpora_that_are_not_chosen_are_not_made(tmp_path):
    corpora = load("benchmarks.corpora")
    (clips,) = corpora.make_corpora(["wav-16k-clips"], tmp_path, is_quick=True)
    assert [path.name for path in tmp_path.iterdir()] == ["wav-16k-clips"]
    assert len(clips.paths) == corpora.QUICK_RECORDINGS
    # Its lines break at hyphens.
    told = "".join(load("benchmark").make_parser().format_help().split())
    assert all(name in told for name in corpora.CORPORA)


def test_an_unknown_corpus_is_refused_before_any_is_made(capsys, monkeypatch):
    monkeypatch.setattr(load("benchmarks.extraction"), "make_corpora", None)
    assert load("benchmark").main(["extraction", "--quick", "--lengths", "ogg-8k,wav"]) == 2
    assert "--lengths wav: expected some of ogg-8k, wav-16k, wav-44k" in capsys.readouterr().err


def test_startup(tmp_path):
    rows = run_quickly(tmp_path, "startup", "--only", "import numpy,import seqconv.batching,--help")
    assert contestants_of(rows) == {"import numpy", "import seqconv.batching", "scripts/train.py --help"}
    assert ("", "import seqconv.batching / import numpy", "ratio") in rows


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the memory of a process is read on Linux")
def test_startup_of_training_in_memory(tmp_path):
    rows = run_quickly(tmp_path, "startup", "--only", "train on")
    seconds, growth = (
        rows["15 to 25 frames", "train on 2,000 sequences", metric]["median"]
        for metric in ("seconds to the first step", "memory growth / data")
    )
    assert seconds > 0
    assert growth > 0


def test_augmentation(tmp_path):
    rows = run_quickly(tmp_path, "augmentation", "--only", "no augmentation,all")
    assert {"real frames/s", "waiting for data", "CPU seconds", "ratio"} == {metric for _, _, metric in rows}
    assert rows["audio.yaml", "all / no augmentation", "ratio"]["median"] > 0
    assert all(0 <= row["median"] < 1 for (_, _, metric), row in rows.items() if metric == "waiting for data")


def test_profile(tmp_path):
    rows = run_quickly(tmp_path, "profile")
    for contestant in ("limit", "seqconv packed"):
        of = {metric: row["median"] for (_, name, metric), row in rows.items() if name == contestant}
        assert of["ms of convolutions"] > of["ms of everything else"] > 0, of
        assert of["ms of selections"] < of["ms of convolutions"] / 4


def test_help_of_training_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", LISTS_HEAVY_MODULES], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("heavy []\n"), done.stdout[-200:]


@pytest.mark.slow
def test_accuracy_at_equal_time(tmp_path):
    rows = run_quickly(tmp_path, "training", "--accuracy")
    assert 0 < rows["data/prompts", "seqconv packed", "accuracy after 1 s"]["median"] <= 1
