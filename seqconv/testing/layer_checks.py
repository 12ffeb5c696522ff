"""The contract, checked on one layer: a sequence has one answer and one gradient in every layout."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from seqconv.batching import Batch, make_batch
from seqconv.geometry import min_frames, output_length
from seqconv.layers.base import MaskedLayer, contract_of, padding_after
from seqconv.layers.masking import Padding, map_segments
from seqconv.testing.gradients import Step, train_step
from seqconv.testing.layouts import by_sequence, check_pieces, plans_in_one_step
from seqconv.testing.subject import FILLS, Array, Subject, as_array, flat_shape, is_different

# A single frame, and very unequal lengths.
LENGTHS = (1, 7, 12, 9, 30)
NUM_BANDS = 5
_KEEP_OUT = (
    "Frames outside a sequence reach its frames: replace padding with zeros before any sum over time "
    "(seqconv.layers.zero_padding(inputs, segments)), since 0 * NaN is NaN, and reduce over real frames only"
)
_KEEP_APART = (
    f"{_KEEP_OUT}. In a packed row, frames of other segments are its neighbors: declare how far the layer reads "
    "(time_layer), so that gaps are wide enough, or set packable = False"
)
_NO_EDGES = "Declare how the layer reads time: a property time_layer that returns a seqconv.geometry.TimeLayer"


# The form of a batch, what to do where outputs are not those for a sequence alone, and the outputs of each sequence.
Answer = tuple[str, str, list[Array]]


def check_layer(
    layer: keras.layers.Layer,
    *,
    num_channels: int = 4,
    num_bands: int | None = None,
    lengths: Sequence[int] = LENGTHS,
    seed: int = 0,
) -> None:
    """Check that a layer of your own keeps the contract, with random weights and sequences; it stays as it was.

    Checked are: the same outputs for each sequence alone, padded, bucketed and packed, with NaN and large numbers where
    nothing may look; the same loss, gradients and statistics of a step of training, and no gradient in padding (of a
    layer with noise only that they are finite); what it declares (`time_layer`, and the shortest sequence that follows
    from it; `padding_after`, `packable`, `chunkable`); and that it is the same after saving and loading.

    Args:
        layer: a `MaskedLayer`, or one that is called as `layer(inputs, segments=...)` or `layer(inputs, mask=...)`; one
            that takes neither has to work on each frame by itself. A layer that is called with a mask is not packed.
        num_channels: of the inputs.
        num_bands: of the inputs, which then are `(batch, time, bands, channels)`; default: 5 for a layer that declares
            `takes_bands`, none for others.
        lengths: frames of the sequences that are tried, together with the shortest that is possible.
        seed: of weights and sequences.

    Raises:
        ModelError: naming the layer, the layout, the first frame that differs, and what to do.

    >>> from seqconv.layers import MaskedConv1D
    >>> check_layer(MaskedConv1D(3, kernel_size=5))
    >>> check_layer(keras.layers.Conv1D(3, kernel_size=5, padding="same", name="mine"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    seqconv.errors.ModelError: layer 'mine' (Conv1D), padded: channel 0 of frame 0 of the sequence of 1 frames is nan...
    """
    if num_bands is None and contract_of(layer).takes_bands:
        num_bands = NUM_BANDS
    subject, rng = Subject(layer, num_bands), np.random.default_rng(seed)
    shortest = min_frames(subject.geometry)
    lengths = [shortest, *(length for length in lengths if length > shortest)]
    arrays = [rng.normal(size=(length, num_channels * (num_bands or 1))).astype(np.float32) for length in lengths]
    with subject.doing("a sequence alone", "Without segments, all frames are real"):
        subject.call(arrays[-1][None].astype(subject.dtype))
    before = layer.get_weights()
    # Zeros and ones, as weights begin, hide faults.
    layer.set_weights([value + 0.3 * np.abs(rng.normal(size=value.shape)).astype(value.dtype) for value in before])
    try:
        alone = _answers_alone(subject, arrays)
        for form, remedy, found in answers(subject, arrays, FILLS):
            subject.compare(found, alone, lengths, form, remedy)
        _check_training(subject, arrays)
        if isinstance(layer, MaskedLayer) and layer.chunkable:
            check_pieces(subject, arrays[-1].astype(subject.dtype), alone[-1])
        _check_reload(subject, arrays, alone)
    finally:
        layer.set_weights(before)


def _answers_alone(subject: Subject, arrays: list[Array]) -> list[Array]:
    """Return outputs for each sequence without padding, after checking the shape that the layer declares."""
    answers = []
    for array in arrays:
        with subject.doing(f"a sequence of {len(array)} frames alone", _NO_EDGES):
            outputs = as_array(subject.call(array[None].astype(subject.dtype)))
            inputs = keras.KerasTensor(subject.shape(1, *array.shape), dtype=subject.dtype)
            shape = flat_shape(subject.layer.compute_output_spec(inputs).shape)
        frames = output_length(len(array), subject.geometry)
        if outputs.ndim == 3 and outputs.shape[1] != frames:
            problem = f"{len(array)} frames give {outputs.shape[1]}, but as it reads time they should give {frames}"
            raise subject.fault("a sequence alone", problem, _NO_EDGES)
        subject.pools = outputs.ndim == 2
        if shape != outputs.shape:
            problem = f"its output has shape {outputs.shape}, but compute_output_spec says {shape}"
            remedy = "Write output_channels, and set values_per_channel in a layer that returns a vector per sequence"
            raise subject.fault("a sequence alone", problem, remedy)
        if not np.isfinite(outputs).all():
            problem = f"its output for {len(array)} random frames is not finite"
            raise subject.fault("a sequence alone", problem, "Guard divisions, roots and logarithms")
        answers.append(outputs[0])
    return answers


def answers(subject: Subject, arrays: list[Array], fills: Sequence[tuple[float, Padding]]) -> Iterator[Answer]:
    """Yield what a layer returns for each sequence in each layout, for each of the values in padding.

    Raises:
        ModelError: segments of the output frames, what is left in padding, or an empty slot are not as declared.
    """
    lengths, takes_known = [len(array) for array in arrays], subject.contract.takes_known
    plans = plans_in_one_step(lengths, subject.geometry, packable=subject.packable)
    for layout, plan in plans.items():
        remedy = _KEEP_APART if layout == "packed" else _KEEP_OUT
        for fill, known in fills if takes_known else fills[:2]:
            batch = make_batch(plan.epoch(0)[0], arrays, fill=fill)
            features = batch.features.astype(subject.dtype)
            options, promised = ({"known": known}, known) if takes_known else ({}, Padding.ANY)
            # One slot more than there are, which stays empty.
            forms: dict[str, Any] = {layout: (batch.segments, batch.layout.num_slots + 1)}
            if layout != "packed":
                forms[f"{layout}, with a mask"] = (batch.segments >= 0, None)
            for form, (segments, num_slots) in forms.items():
                with subject.doing(form, remedy):
                    returned = subject.call(features, segments, num_slots, **options)
                    outputs, remaining = _split(subject, form, returned, segments)
                    if subject.pools:
                        outputs = _of_used_slots(subject, form, outputs)
                    found = by_sequence(outputs, batch.layout, subject.geometry, has_frames=not subject.pools)
                yield form, remedy, found
                if not subject.pools:
                    _check_padding(subject, form, outputs, remaining, padding_after(subject.layer, promised))


def _of_used_slots(subject: Subject, form: str, outputs: Array) -> Array:
    """Return vectors `(rows, num_slots, channels)`, without the slot that is empty."""
    if outputs.ndim == 2:
        # A vector a row, where slots are unknown: of the only sequence in it.
        return outputs[:, None]
    if (outputs[:, -1] != 0).any():
        value = outputs[:, -1].flat[np.argmax(outputs[:, -1] != 0)]
        raise subject.fault(form, f"the vector of a slot without frames holds {value:.6g}", "Return 0 there")
    return outputs[:, :-1]


def _split(subject: Subject, form: str, returned: Any, segments: Array) -> tuple[Array, Array]:
    """Return outputs and the segments of their frames, which are checked."""
    layer = subject.contract.time_layer
    if layer is None:
        return as_array(returned), segments
    if not isinstance(returned, tuple) or len(returned) != 2:
        problem = "it has a time_layer, but does not return (features, segments)"
        raise subject.fault(form, problem, "Return the segments of its frames")
    wanted = as_array(map_segments(ops.convert_to_tensor(segments), layer))
    outputs, found = map(as_array, returned)
    if found.shape != wanted.shape or (found != wanted).any():
        remedy = "Return seqconv.layers.masking.map_segments(segments, self.time_layer)"
        raise subject.fault(form, "the segments that it returns are not those of its output frames", remedy)
    return outputs, wanted


def _check_padding(subject: Subject, form: str, outputs: Array, segments: Array, promised: Padding) -> None:
    is_padding = ~segments if segments.dtype == bool else segments < 0
    is_wrong = (outputs != 0) if promised == Padding.ZERO else ~np.isfinite(outputs)
    is_wrong &= is_padding[..., None]
    if promised > Padding.ANY and is_wrong.any():
        row, frame, channel = np.argwhere(is_wrong)[0].tolist()
        place, value = f"frame {frame} of row {row}, which is padding", outputs[row, frame, channel]
        problem = f"padding_after is {promised.name}, but {place}, is {value:.6g}"
        remedy = "Return zero_padding(outputs, segments), or declare less: Padding.FINITE, or Padding.ANY"
        raise subject.fault(form, problem, remedy)


def _check_training(subject: Subject, arrays: list[Array]) -> None:
    """Compare a step of training in each layout: the same loss, gradients and statistics, no gradient in padding."""
    lengths = [len(array) for array in arrays]
    plans = plans_in_one_step(lengths, subject.geometry, packable=subject.packable)
    steps: dict[str, tuple[Batch, Step]] = {}
    for layout, plan in plans.items():
        # A layer that does not know the padding has a gradient there, which the layers around it multiply by 0.
        batch = make_batch(plan.epoch(0)[0], arrays, fill=1e6 if subject.argument is None else np.nan)
        with subject.doing(f"training, {layout}", _KEEP_OUT):
            steps[layout] = batch, train_step(subject, batch)
        _check_finite(subject, layout, *steps[layout])
    batch, first = steps.pop("padded")
    if first.loss != train_step(subject, batch).loss:
        # Noise: there is nothing to compare with.
        return
    unit = max(float(np.abs(values).max(initial=0)) for values in (first.features, *first.weights))
    expected = by_sequence(first.features, batch.layout, (), has_frames=True)
    for layout, (other, step) in steps.items():
        remedy = _KEEP_APART if layout == "packed" else _KEEP_OUT
        form = f"the gradient, {layout} instead of padded"
        found = by_sequence(step.features, other.layout, (), has_frames=True)
        subject.compare(found, expected, lengths, form, remedy)
        changed = [f"the gradient of {weight.path}" for weight in subject.layer.trainable_weights]
        changed += [f"the value of {weight.path}" for weight in subject.layer.non_trainable_weights]
        ours, theirs = ([*each.weights, *each.statistics] for each in (step, first))
        for what, values, wanted in zip(changed, ours, theirs, strict=True):
            if is_different(values, wanted, subject.tolerance, unit).any():
                raise subject.fault(form, f"{what} after a step of training is another", remedy)
        if is_different(np.array(step.loss), np.array(first.loss), subject.tolerance).any():
            raise subject.fault(form, f"the loss is {step.loss:.6g} instead of {first.loss:.6g}", remedy)


def _check_finite(subject: Subject, layout: str, batch: Batch, step: Step) -> None:
    is_padding = (batch.segments < 0)[..., None]
    is_wrong = np.where(is_padding, step.features != 0, ~np.isfinite(step.features))
    if is_wrong.any():
        row, frame, channel = np.argwhere(is_wrong)[0].tolist()
        kind = "padding" if is_padding[row, frame, 0] else "real"
        value = step.features[row, frame, channel]
        problem = f"input frame {frame} of row {row}, which is {kind}, has the gradient {value:.6g}"
        raise subject.fault(f"training, {layout}", problem, _KEEP_OUT)
    for weight, gradient in zip(subject.layer.trainable_weights, step.weights, strict=True):
        if not np.isfinite(gradient).all():
            raise subject.fault(f"training, {layout}", f"the gradient of {weight.path} is not finite", _KEEP_OUT)


def _check_reload(subject: Subject, arrays: list[Array], alone: list[Array]) -> None:
    layer, form = subject.layer, "saved and loaded"
    remedy = (
        "Keep each argument of the constructor under its name, or write get_config; create weights in build, and keep "
        "layers as attributes"
    )
    with tempfile.TemporaryDirectory() as folder, subject.doing(form, remedy):
        path = Path(folder) / "layer.keras"
        inputs = keras.Input(subject.shape(None, arrays[0].shape[1]), dtype=subject.dtype)
        keras.Model(inputs, layer(inputs)).save(path)
        custom_objects = {type(layer).__name__: type(layer)}
        loaded = keras.saving.load_model(path, custom_objects=custom_objects, compile=False)
        returned = [as_array(loaded(subject.inputs(array[None].astype(subject.dtype))))[0] for array in arrays]
        found = [values.reshape(wanted.shape) for values, wanted in zip(returned, alone, strict=True)]
    subject.compare(found, alone, [len(array) for array in arrays], form, remedy)
