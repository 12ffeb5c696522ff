"""Conformer blocks: what their layers are, and what attention in a packed row is compared with."""

import keras
import numpy as np
import pytest
from support.training_data import classified, quick

from seqconv import predict, train
from seqconv.errors import ConfigError
from seqconv.layers import MaskedRelativeSelfAttention
from seqconv.models import build_model, load_model


def build(**options):
    blocks = [{"filters": 6, "kernel_size": 1}, {"type": "conformer", "num_heads": 2, "kernel_size": 5, **options}]
    return build_model({"blocks": blocks}, num_features=3, num_outputs=2)


def test_a_block_is_two_halves_around_attention_and_convolution():
    model = build(repeat=2)
    names = [layer.name for layer in model.stack.layers_of_block(1)]
    parts = ("first_half", "attention", "convolution", "second_half", "norm")
    first = [next(index for index, name in enumerate(names) if name.startswith(f"block1_0_{part}")) for part in parts]
    assert first == sorted(first)
    assert model.time_geometry == model.config.time_geometry
    assert model.packable
    assert not model.chunkable
    assert model.receptive_field is None


def test_heads_that_do_not_divide_channels_are_refused():
    with pytest.raises(ConfigError, match=r"model\.blocks\.1\.num_heads: 4 heads cannot share 6 channels evenly"):
        build(num_heads=4)


def test_a_run_learns_in_packed_rows_and_predicts_alike_from_the_file(tmp_path):
    model = {"blocks": [{"filters": 6, "kernel_size": 1}, {"type": "conformer", "num_heads": 2, "kernel_size": 3}]}
    data = classified(60)
    run = train(quick(model=model, training={"epochs": 6}), tmp_path / "run", train_data=data)
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0]
    arrays = [data[index] for index in range(10)]
    ours, loaded = (predict(each, arrays).drop(columns="id") for each in (run.model, load_model(run.path)))
    assert (ours["prediction"] == loaded["prediction"]).all()


def test_the_order_of_frames_matters_to_attention():
    keras.utils.set_random_seed(0)
    layer, x = MaskedRelativeSelfAttention(2), np.random.default_rng(0).normal(size=(1, 9, 4)).astype("float32")
    forward, backward = (keras.ops.convert_to_numpy(layer(each))[0] for each in (x, x[:, ::-1]))
    assert np.abs(forward - backward[::-1]).max() > 1e-3


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX compares all frames of a row")
def test_frames_of_a_packed_row_are_compared_with_three_times_the_longest_sequence(monkeypatch):
    compared = []

    def recorded(layer, features, members, blocks, training):
        compared.append(tuple(int(each) for each in blocks[:4]))
        return mix(layer, features, members, blocks, training)

    mix = MaskedRelativeSelfAttention._mix
    monkeypatch.setattr(MaskedRelativeSelfAttention, "_mix", recorded)
    segments = np.full((2, 300), -1, "int32")
    for row in range(2):
        for slot, (start, length) in enumerate([(0, 20), (23, 9), (40, 20 - row), (200, 17)]):
            segments[row, start : start + length] = slot
    x = np.random.default_rng(0).normal(size=(2, 300, 4)).astype("float32")
    layer = MaskedRelativeSelfAttention(2)
    in_blocks = keras.ops.convert_to_numpy(layer(x, segments, num_slots=4))
    square = keras.ops.convert_to_numpy(layer(x, segments))
    # 59 frames are fewer than three times 20.
    layer(x[:, :59], segments[:, :59], num_slots=3)
    assert compared == [(15, 20, 20, 60), (1, 301, 0, 301), (1, 60, 0, 60)]
    np.testing.assert_allclose(in_blocks, square, rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="XLA is a choice on TensorFlow only")
def test_xla_compiles_attention_in_packed_rows_and_its_gradient():
    import tensorflow as tf

    segments = np.full((1, 60), -1, "int32")
    for slot, start in enumerate((0, 12, 25)):
        segments[0, start : start + 9 + slot] = slot
    x = np.random.default_rng(0).normal(size=(1, 60, 4)).astype("float32")
    layer = MaskedRelativeSelfAttention(2)
    layer.build(x.shape)

    def step(x, segments, num_slots):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, segments, num_slots=num_slots)
            total = tf.reduce_sum(outputs**2)
        return outputs, tape.gradient(total, x)

    arguments = (((None, None, 4), "float32"), ((None, None), "int32"), ((), "int32"))
    signature = [tf.TensorSpec(*argument) for argument in arguments]
    plain, compiled = (tf.function(step, signature, jit_compile=xla)(x, segments, 3) for xla in (False, True))
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
