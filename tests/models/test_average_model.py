"""An average of models as one model: what it refuses and says of its members, and its answers piece by piece."""

import json
import zipfile

import keras
import numpy as np
import pytest

from seqconv.errors import ConfigError, ModelError
from seqconv.models import AverageModel, build_model, load_model
from seqconv.models.model_files import CONFIG, read_file_card
from seqconv.prediction.streaming.running import running_answers, streaming_delay
from seqconv.prediction.streaming.whole import ChunkRunner, default_chunk_frames

SAME = {"filters": 4, "kernel_size": 5}
CAUSAL = {"filters": 3, "kernel_size": 7, "padding": "causal"}
STRIDED = {"filters": 3, "kernel_size": 3, "strides": 3}


def model(*blocks, seed=0, num_features=2, num_outputs=3, **options):
    keras.utils.set_random_seed(seed)
    found = build_model({"blocks": list(blocks), **options}, num_features=num_features, num_outputs=num_outputs)
    rng = np.random.default_rng(seed)
    found.set_weights([w + 0.3 * np.abs(rng.normal(size=w.shape)) for w in found.get_weights()])
    return found


def sequence(num_frames, seed=0):
    return np.random.default_rng(seed).normal(size=(num_frames, 2)).astype("float32")


def whole(each, x):
    return np.asarray(keras.ops.convert_to_numpy(each(x[None])))[0]


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (list, "an average needs members"),
        (lambda: [model(SAME), model(SAME, num_features=3)], "features in a frame: '2', '3'"),
        (lambda: [model(SAME), model(SAME, num_outputs=4)], "outputs: '3', '4'"),
        (lambda: [model(SAME), model(SAME, pooling="frames")], "predictions per: 'sequence', 'frame'"),
        (lambda: [model(SAME, pooling="frames"), model(STRIDED, pooling="frames")], "to the next: '1', '3'"),
        (lambda: [keras.Sequential([keras.Input((None, 2))])], r"\(Sequential\) cannot be a member"),
        (lambda: [AverageModel([model(SAME)])], r"\(AverageModel\) cannot be a member"),
    ],
)
def test_members_that_cannot_be_averaged_are_refused(make, message):
    with pytest.raises(ModelError, match=message):
        AverageModel(make())


def test_each_member_needs_a_weight():
    with pytest.raises(ModelError, match="2 members have 3 weights"):
        AverageModel([model(SAME), model(CAUSAL)], [1, 2, 3])


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_weights_are_finite(weight):
    with pytest.raises(ModelError, match=f"weights of members are .*{weight}.*finite"):
        AverageModel([model(SAME), model(CAUSAL)], [1, weight])


def test_what_needs_all_members_they_have_together():
    one, two = (
        model(SAME, {"type": "gru", "units": 3}),
        model({**STRIDED, "padding": "valid", "kernel_size": 9}, CAUSAL),
    )
    average = AverageModel([one, two])
    assert (average.min_frames, average.packable, average.chunkable) == (9, False, False)
    assert average.unpackable_layers == average.unchunkable_layers == ["member0/block1_gru"]
    assert average.receptive_field is None
    assert average.halo == (max(one.halo[0], two.halo[0]), max(one.halo[1], two.halo[1]))
    with pytest.raises(ConfigError, match="'member0/block1_gru' need all of it at once"):
        ChunkRunner(average)
    plain = AverageModel([model(SAME), model(CAUSAL)])
    assert plain.receptive_field == 6 + 1 + 2
    assert default_chunk_frames(plain) == max(map(default_chunk_frames, plain.members))


def test_members_are_copies():
    member = model(SAME)
    average, x = AverageModel([member, member]), sequence(12)
    before = whole(average, x)
    member.set_weights([0 * weight for weight in member.get_weights()])
    np.testing.assert_array_equal(whole(average, x), before)


@pytest.mark.parametrize("pooling", ["mean", "frames"])
@pytest.mark.parametrize("every", [1, 4, 7.5])
def test_running_answers_are_those_of_what_has_been_received(pooling, every):
    members = [
        model(CAUSAL, seed=1, pooling=pooling),
        model(CAUSAL, {**CAUSAL, "kernel_size": 2}, seed=2, pooling=pooling),
    ]
    average, x = AverageModel(members, [0.2, 1.1]), sequence(30)
    assert streaming_delay(average) == 0
    answers = list(running_answers(average, iter(np.split(x, [1, 2, 11])), every, fill=np.nan))
    assert answers[-1].is_final
    for answer in answers:
        expected = whole(average, x[: answer.num_frames])
        # The last answer may have no further frames.
        new = expected[len(expected) - len(answer.logits) :] if pooling == "frames" else expected
        assert_close(answer.logits, new)
    if pooling == "frames":
        assert_close(np.concatenate([answer.logits for answer in answers]), whole(average, x))


@pytest.mark.parametrize("pooling", ["mean", "frames"])
def test_members_that_look_ahead_wait_for_the_one_that_waits_longest(pooling):
    members = [model({**SAME, "kernel_size": size}, seed=size, pooling=pooling) for size in (3, 11)]
    average, x = AverageModel(members), sequence(40)
    assert streaming_delay(average) == 5
    answers = list(running_answers(average, [x[:13], x[13:]], 6, fill=np.nan))
    assert [answer.num_frames for answer in answers] == [6, 12, 18, 24, 30, 36, 40]
    assert [answer.num_outputs for answer in answers] == [1, 7, 13, 19, 25, 31, 40]
    last = np.concatenate([answer.logits for answer in answers]) if pooling == "frames" else answers[-1].logits
    assert_close(last, whole(average, x))


def test_layers_that_look_at_the_whole_are_named_with_their_member():
    average = AverageModel([model(SAME), model({"type": "standardize"}, SAME)])
    with pytest.raises(ConfigError, match="'member1/block0_standardization' look at statistics of the whole"):
        streaming_delay(average)
    with pytest.raises(ConfigError, match="look at the whole sequence, which takes 3 passes"):
        ChunkRunner(average, 5).answer(iter([sequence(40)]))
    with pytest.raises(ConfigError, match="an average of models takes 2 passes over its pieces"):
        ChunkRunner(AverageModel([model(SAME), model(CAUSAL)]), 5).answer(iter([sequence(40)]))


@pytest.mark.parametrize("pooling", ["mean", "frames"])
def test_members_in_chunks_of_different_length_are_combined_in_step(pooling):
    # So wide that its chunks are much shorter by default.
    members = [model(SAME, pooling=pooling), model({"filters": 3000, "kernel_size": 1}, seed=3, pooling=pooling)]
    average = AverageModel(members)
    assert len({runner.interior for runner in ChunkRunner(average).shapes}) == 2
    x = sequence(default_chunk_frames(average.members[1]) * 2 + 37)
    runner, pieces = ChunkRunner(average), np.split(x, [100, 101])
    found = np.concatenate(list(runner.frame_logits(pieces))) if pooling == "frames" else runner.answer(pieces).logits
    assert_close(found, whole(average, x))


def rewritten(path, change):
    """The model file with another config."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts[CONFIG])
    change(config["config"])
    parts[CONFIG] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda config: config.update(members=config["members"][:1], weights=[1.0]),
            "Config and weights are not of one model",
        ),
        (lambda config: config.update(members=config["members"] * 600), "members are no list of at most 1000"),
        (lambda config: config.update(members="all"), "members are no list"),
        (lambda config: config["members"][1].pop("num_features"), "its config lacks 'num_features'"),
        (lambda config: config["members"][1].update(num_outputs=1 << 30), "more than any model has"),
        (lambda config: config["members"][1]["model"]["blocks"][0].update(repeat=5000), "more layers than any model"),
        (lambda config: config["members"][1].update(class_name="Lambda", config={}), "is never loaded"),
        (lambda config: config.update(weights=[1.0]), "2 members have 1 weights"),
        (lambda config: config.update(weights=[1.0, float("nan")]), "Give finite numbers"),
    ],
)
def test_files_that_no_average_wrote_are_not_loaded(tmp_path, change, message):
    path = tmp_path / "model.keras"
    AverageModel([model(SAME), model(CAUSAL)]).save(path)
    load_model(path)
    with pytest.raises(ModelError, match=message):
        load_model(rewritten(path, change))


def test_the_file_has_one_card(tmp_path):
    card = {"name": "both", "target": {"task": "classification", "names": ["a", "b", "c"]}, "temperature": 2.0}
    AverageModel([model(SAME), model(CAUSAL)], card=card).save(tmp_path / "model.keras")
    found = load_model(tmp_path / "model.keras")
    assert (found.card.name, found.card.temperature) == ("both", 2.0)
    assert read_file_card(tmp_path / "model.keras") == found.card
    assert all(member.card.is_empty for member in found.members)
