"""A ridge on frames: left-out errors are those of refits without a sequence, by the weights of the loss."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.training_data import NUM_FEATURES, STRIDED_FRAMES, framed, quick

import seqconv
from seqconv.cli.commands import predict as predict_command
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ManifestError
from seqconv.evaluation import evaluate
from seqconv.evaluation.predictions import frame_truth
from seqconv.models import load_model
from seqconv.models.pooled_model import PooledModel
from seqconv.prediction.dispatch import predict
from seqconv.prediction.forward import forward
from seqconv.prediction.streaming.running import running_answers, streaming_delay
from seqconv.training.ridge.solution import fit_ridge

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
RANDOM = {"type": "random_convolutions", "dilations": [1, 3], "inputs": ["frames", "smoothed"], "padding": "causal"}
MODEL = {
    "blocks": [RANDOM, {"type": "max_pool", "pool_size": 3, "strides": 2, "padding": "causal"}],
    "pooling": "frames",
}
STRENGTH = 0.05


def ridge(**sections):
    training = {"solver": "ridge", "strength": STRENGTH, **sections.pop("training", {})}
    return {**quick(model=MODEL, **sections), "training": training}


def refitted(x, y, share, penalty):
    """A ridge by the normal equations, for one output, whose weights sum to the number of sequences."""
    mean, center = share @ x / share.sum(), share @ y / share.sum()
    products = (x - mean).T @ (share[:, None] * (x - mean)) + penalty * np.eye(x.shape[1])
    coefficients = np.linalg.solve(products, (x - mean).T @ (share * (y - center)))
    return lambda values: (values - mean) @ coefficients + center


def expected_outputs(x, y, weights, sequences, groups):
    """What models of single outputs say of all rows, and of those of a group without it; NaN is a missing label."""
    whole, left_out = np.full(y.shape, np.nan), np.full(y.shape, np.nan)
    for output, wanted in enumerate(y.T):
        known = ~np.isnan(wanted)
        share = weights[known] / weights[known].sum() * len(set(sequences[known]))
        mean = share @ x[known] / share.sum()
        deviation = np.sqrt(share @ (x[known] - mean) ** 2 / share.sum())
        z = (x - mean) / np.where(deviation > 1e-6, deviation, np.inf)
        penalty = STRENGTH * (share @ z[known] ** 2).sum() / share.sum()
        whole[:, output] = refitted(z[known], wanted[known], share, penalty)(z)
        for group in set(groups[known]):
            is_in, is_out = known & (groups != group), known & (groups == group)
            fit = refitted(z[is_in], wanted[is_in], share[is_in[known]], penalty)
            left_out[is_out, output] = fit(z[is_out])
    return whole, left_out


def labeled(task, seed=0, **options):
    """Frames of three classes; two labels of which some are missing; or numbers."""
    data = framed(24, seed, missing=0.2)
    levels = [data[index].mean(axis=1) for index in range(len(data))]
    rng = np.random.default_rng(seed + 100)
    labels = data.labels
    if task == "regression":
        labels = [np.where(rng.random(len(level)) < 0.2, np.nan, 1000 + 10 * level) for level in levels]
    elif task == "multilabel":
        labels = [np.stack([level > 1, level > 3.5], axis=1).astype(float) for level in levels]
        for rows in labels:
            rows[rng.random(rows.shape) < 0.2] = np.nan
    return Sequences([data[index] for index in range(len(data))], labels, **options)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
@pytest.mark.parametrize("frame_weight", ["sequence", "frame"])
@pytest.mark.parametrize("is_grouped", [False, True])
def test_a_run_is_a_refit_by_hand(task, frame_weight, is_grouped, tmp_path):
    rng = np.random.default_rng(7)
    weights = rng.uniform(0.5, 2, 24)
    weights[5] = 0
    groups = [f"g{index % 7}" for index in range(24)] if is_grouped else None
    data = labeled(task, weights=weights.tolist(), groups=groups)
    columns = {"classification": {}, "multilabel": {"columns": ["any", "high"]}, "regression": {"columns": ["height"]}}
    class_weight = {"classification": {"mid": 3.0}, "multilabel": {"high": 2.0}, "regression": None}[task]
    target = {"task": task, "frame_weight": frame_weight, **columns[task]}
    run = seqconv.train(
        ridge(target=target, training={"class_weight": class_weight}),
        tmp_path / "run",
        train_data=data,
        valid_data=labeled(task, seed=1),
    )
    # By hand: features, labels and weights of every second frame that has a label.
    truth = frame_truth(run.model.card.target, data, 2)
    sequences = np.repeat(np.arange(24), truth.counts)
    rows = truth.is_labeled & (weights[sequences] > 0)
    x = np.concatenate(forward(PooledModel(run.model), data, strategy="single")).astype(np.float64)[rows]
    own, sequences = truth.targets[rows], sequences[rows]
    share = weights[sequences] / (np.bincount(sequences, minlength=24)[sequences] if frame_weight == "sequence" else 1)
    if task == "classification":
        share = share * (own @ [3.0 if name == "mid" else 1.0 for name in run.model.card.target.names])
    elif task == "multilabel":
        has = np.nan_to_num(own)
        share = share * np.where(has.any(axis=1), has @ [1.0, 2.0] / np.maximum(has.sum(axis=1), 1), 1)
    definition = run.model.card.target.definition
    encoded = run.model.card.target.standardize(own) if task == "regression" else own
    numbers = sequences if groups is None else np.array(groups)[sequences]
    whole, left_out = expected_outputs(x, definition.linear_targets(encoded), share, sequences, numbers)
    scale = definition.linear_scale(encoded, left_out)
    found = np.concatenate(forward(run.model, data, strategy="single"))[rows]
    np.testing.assert_allclose(found, whole * scale, rtol=1e-3, atol=1e-3)
    predictions = definition.predictions(run.model.card.target, np.nan_to_num(left_out * scale))
    losses = definition.losses(own, predictions, run.model.card.target.std or 1)
    assert run.history["loss"][0] == pytest.approx(np.average(losses, weights=share), rel=1e-4)
    name = {"classification": "accuracy", "multilabel": "map", "regression": "r2"}[task]
    scores = definition.score(own, predictions, run.model.card.target.names)
    assert run.history[name][0] == pytest.approx(scores[name], rel=1e-4)
    assert scores[name] > 0.5


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ridge") / "run"
    config = ridge(training={"strength": None})
    return seqconv.train(config, folder, train_data=framed(60), valid_data=framed(20, seed=3))


def test_it_answers_alike_in_every_layout_in_chunks_and_saved(run):
    data = framed(23, seed=5)
    expected = forward(run.model, data, strategy="single")
    again = load_model(run.path / "model.keras")
    ways = [{"strategy": name} for name in ("auto", "packed", "bucketed", "padded")]
    for model, way in [(run.model, way) for way in [*ways, {"chunk_frames": 8}]] + [(again, {})]:
        for found, wanted in zip(forward(model, data, **way), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5, err_msg=str(way))


def test_what_lies_in_padding_does_not_matter(run):
    sequence = framed(1, seed=6)[0]
    expected = run.model.predict(sequence[None], verbose=0)
    padded = np.pad(sequence, [(0, 7), (0, 0)], constant_values=np.nan)[None]
    found = run.model.predict((padded, [len(sequence)]), verbose=0)
    np.testing.assert_allclose(found[:, : expected.shape[1]], expected, rtol=1e-5, atol=1e-5)
    # Standardized zeros are not 0, but what comes out of padding is.
    assert not found[:, -(-len(sequence) // 2) :].any()
    assert np.abs(run.model.stack.dense[0].mean).max() > 0.1


def test_a_causal_model_answers_while_frames_come(run):
    sequence = np.random.default_rng(2).normal(size=(60, NUM_FEATURES)).astype("float32")
    assert streaming_delay(run.model) == 0
    pieces = [sequence[first : first + 4] for first in range(0, 60, 4)]
    live = [answer.logits for answer in running_answers(run.model, pieces, 4)]
    assert len(live) >= 15
    expected = run.model.predict(sequence[None], verbose=0)[0]
    np.testing.assert_allclose(np.concatenate(live), expected, rtol=1e-5, atol=1e-5)
    changed = np.concatenate([sequence[:41], sequence[41:] + 9])
    after = run.model.predict(changed[None], verbose=0)[0]
    np.testing.assert_allclose(after[:21], expected[:21], rtol=1e-6, atol=1e-6)
    assert np.abs(after[21:] - expected[21:]).max() > 0.1


def test_a_run_is_scored_resumed_and_said_in_words(run, capsys):
    data = framed(20, seed=3)
    assert run.metrics["valid"]["accuracy"] > 0.6
    assert evaluate(run.model, data, bootstrap=0).metrics["loss"] == pytest.approx(run.history["val_loss"][0])
    again = seqconv.resume(run.path, train_data=framed(60), valid_data=data)
    assert again.metrics["valid"]["loss"] == run.metrics["valid"]["loss"]
    assert "the head in closed form (ridge), on the labeled frames" in capsys.readouterr().out
    table = predict(run.model, [data[0]])
    assert list(table.columns) == ["id", "frame", "prediction", "p_low", "p_mid", "p_top"]


def test_what_is_too_much_for_memory_gives_the_same_run_from_a_file(run, tmp_path, monkeypatch):
    monkeypatch.setattr("seqconv.training.ridge.blocks.KEPT_BYTES", 0)
    config = ridge(training={"strength": None})
    other = seqconv.train(config, tmp_path / "run", train_data=framed(60), valid_data=framed(20, seed=3))
    assert {path.name for path in other.path.iterdir()} == {path.name for path in run.path.iterdir()}
    for one, two in zip(other.model.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_frames_of_a_sequence_are_never_left_out_alone(tmp_path):
    """A constant that names the sequence tells its label to whoever has seen one of its frames."""
    rng = np.random.default_rng(0)
    names = rng.permutation(["a", "b"] * 15)
    arrays = [np.tile(rng.normal(size=(1, 20)), (30, 1)).astype("float32") for _ in names]
    labels = [np.full(30, name) for name in names]
    data, valid = Sequences(arrays[:26], labels[:26]), Sequences(arrays[26:], labels[26:])
    model = {"blocks": [{"type": "max_pool", "pool_size": 1}], "pooling": "frames"}
    options = {**ridge(training={"strength": 1e-4}), "model": model}
    found = seqconv.train(options, tmp_path / "run", train_data=data, valid_data=valid)
    assert found.history["accuracy"][0] < 0.75
    frames, signs = np.concatenate(arrays[:26]), np.where(np.concatenate(labels[:26]) == "a", 1.0, -1.0)
    alone = fit_ridge(frames, signs[:, None], strengths=[1e-4])
    assert (np.sign(alone.left_out[:, 0]) == signs).mean() > 0.95


def test_a_head_on_the_blocks_of_a_trained_model(tmp_path):
    data, valid = framed(60), framed(20, seed=3)
    training = {"epochs": 6, "learning_rate": 0.02}
    deep = seqconv.train(
        quick(model=STRIDED_FRAMES, training=training), tmp_path / "deep", train_data=data, valid_data=valid
    )
    options = {"solver": "ridge", "init": str(deep.path / "model.keras")}
    config = {**quick(model=STRIDED_FRAMES), "training": options}
    found = seqconv.train(config, tmp_path / "ridge", train_data=data, valid_data=valid)
    for ours, theirs in zip(found.model.stack.trunk, deep.model.stack.trunk, strict=True):
        for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    assert found.metrics["valid"]["accuracy"] > 0.8


def test_one_sequence_or_a_label_of_one_leaves_nothing_to_learn_from(tmp_path):
    data, valid = framed(20, missing=0), framed(8, seed=4)
    with pytest.raises(ManifestError, match=r"known for \d+ of \d+ training frames, which are of one sequence"):
        seqconv.train(ridge(), tmp_path / "one", train_data=data.subset([0]), valid_data=valid)
    same = Sequences([data[index] for index in range(20)], data.labels, groups=["same"] * 20)
    with pytest.raises(ConfigError, match="all 20 training sequences are of the group 'same'"):
        seqconv.train(ridge(), tmp_path / "group", train_data=same, valid_data=valid)
    rows = [np.stack([found == "top", np.full(len(found), np.nan)], axis=1).astype(float) for found in data.labels]
    rows[0][:, 1] = np.arange(len(rows[0])) % 2
    target = {"task": "multilabel", "columns": ["top", "rare"]}
    with pytest.raises(ManifestError, match=r"'rare' is known for \d+ of \d+ training frames, which are of one seq"):
        seqconv.train(
            ridge(target=target),
            tmp_path / "label",
            train_data=data.subset(range(16)).with_labels(rows[:16]),
            valid_data=data.subset(range(16, 20)).with_labels([np.isnan(each) * 1.0 for each in rows[16:]]),
        )


def test_real_speech_is_told_from_pauses_and_predicted_by_command(tmp_path):
    """Frames of telephone prompts, labeled by events: a run, its evaluation, and predictions of files, also running."""
    events = pd.read_csv(PROMPTS / "speech.csv")
    table = pd.read_csv(PROMPTS / "manifest.csv")
    table = table[table["label"].isin(["en", "ru"]) & table["seconds"].between(0.7, 2) & table["id"].isin(events["id"])]
    parts = {"train": 40, "valid": 10, "test": 10}
    table = pd.concat([table[table["split"] == split].iloc[:count] for split, count in parts.items()])
    events["label"] = "speech"
    events[events["id"].isin(table["id"])].to_csv(tmp_path / "speech.csv", index=False)
    table.assign(path=[str(PROMPTS / path) for path in table["path"]]).to_csv(tmp_path / "manifest.csv", index=False)
    config = {
        **ridge(training={"strength": None, "class_weight": "balanced"}),
        "data": {
            "manifest": str(tmp_path / "manifest.csv"),
            "events": str(tmp_path / "speech.csv"),
            "cache_dir": str(tmp_path / "cache"),
        },
        "target": {"task": "classification", "background": "pause"},
        "features": {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 16},
    }
    run = seqconv.train(config, tmp_path / "run")
    assert run.metrics["test"]["balanced_accuracy"] > 0.9
    # Prompts of one text are one group.
    assert run.history["balanced_accuracy"][0] > 0.9
    file = table[table["split"] == "test"]["path"].iloc[0]
    whole, live = (tmp_path / name for name in ("whole.csv", "live.csv"))
    for output, options in ((whole, []), (live, ["--stream", "0.25"])):
        arguments = ["--model", str(run.path), str(PROMPTS / file), "--output", str(output), *options]
        assert predict_command.main(arguments) == 0
    one, other = pd.read_csv(whole), pd.read_csv(live)
    assert len(one) == len(other) > 20
    assert set(one["prediction"]) == {"pause", "speech"}
    np.testing.assert_allclose(other["p_speech"], one["p_speech"], atol=1e-4)
