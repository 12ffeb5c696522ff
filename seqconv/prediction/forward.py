"""The forward pass over a source of sequences, shared by validation, evaluation and prediction."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seqconv.batching import make_batch, make_plan, restore_order, unpack, unpack_frames
from seqconv.batching.strategies import STRATEGIES, auto_strategy
from seqconv.errors import ConfigError, ManifestError, ShapeError, list_some
from seqconv.geometry import next_start
from seqconv.prediction.compiled import Array, runner_for
from seqconv.sources import Selection, Source


class Choice(NamedTuple):
    """A layout and the reason of its choice."""

    strategy: str
    reason: str


def forward(
    model: Any,
    source: Source,
    *,
    strategy: str = "auto",
    batch_size: int | None = None,
    frames_per_batch: int | None = None,
    chunk_frames: int | None = None,
    raw: bool = False,
) -> Any:
    """Return logits `(n, num_outputs)` of all sequences, in the order of the source.

    Of a model that predicts frames: a list of arrays `(ceil(time / total_stride), num_outputs)`, one a sequence.

    Args:
        model: one of ours, or any Keras model over `(batch, time, num_features)` that returns `(batch, outputs)`.
        source: anything with `.lengths`, `.ids` and `[i] -> (time, num_features)`.
        strategy: auto, packed, bucketed, padded or single; it changes the time, not the logits. Where it is auto, and
            the model has random convolutions alone, they are computed without its graph on CPUs.
        batch_size: sequences per step, on average; default: as in training.
        frames_per_batch: instead of `batch_size`, frames per step.
        chunk_frames: sequences of more frames run in chunks of that many, in bounded memory, with the same answer;
            default: where the strategy is auto and the model allows it, as many as keep activations near 32 MB.
        raw: return what a stock model returns, be it logits, probabilities or values; the logits of ours either way.

    Raises:
        ConfigError: the model cannot be run in this layout.
        ManifestError: sequences are too short for the model, or there are none.
        ModelError: a stock model takes something else, keeps states, has several outputs, or does not pool over time.
        ShapeError: the sequences have another number of features than the model.

    >>> from seqconv.models import build_model
    >>> from seqconv.data.sequences import Sequences
    >>> model = build_model({"blocks": [{"filters": 8}]}, num_features=2, num_outputs=3)
    >>> forward(model, Sequences([np.ones((5, 2)), np.ones((9, 2))])).shape
    (2, 3)
    """
    # Imported late: whoever only reads saved scores needs no Keras.
    from seqconv.prediction import stock

    check_source(model, source)
    choose_strategy(model, strategy, source.lengths)
    if not is_sequence_model(model):
        outputs = stock.run_alone(model, source)
        return outputs if raw else stock.as_logits(model, outputs)
    if batch_size is None and frames_per_batch is None:
        batch_size, frames_per_batch = model.card.batch_size, model.card.frames_per_batch
    given = {"batch_size": batch_size, "frames_per_batch": frames_per_batch}
    sizes = {name: size for name, size in given.items() if size is not None}
    # Each in the layout that suits it.
    answers = [_forward_member(member, source, strategy, sizes, chunk_frames) for member in model.list_members()]
    if model.predicts_frames:
        return [model.combine(of_sequence) for of_sequence in zip(*answers, strict=True)]
    return model.combine(answers)


def is_sequence_model(model: Any) -> bool:
    """Whether the model is one of ours, which takes batches in every layout."""
    return hasattr(model, "time_geometry")


def choose_strategy(model: Any, strategy: str = "auto", lengths: npt.ArrayLike | None = None) -> Choice:
    """Choose the layout for a model: `auto` packs if every layer allows it, and gaps are short beside `lengths`.

    Raises:
        ConfigError: there is no such layout, or the model cannot be run in it; names the layers.
    """
    if strategy not in ("auto", *STRATEGIES):
        raise ConfigError(f"there is no strategy '{strategy}', expected one of {', '.join(('auto', *STRATEGIES))}.")
    if not is_sequence_model(model):
        if strategy not in ("auto", "single"):
            raise ConfigError(
                f"strategy '{strategy}' pads, and padding changes what a stock Keras model answers. "
                "Use 'single' (or 'auto', which chooses it): one sequence at a time."
            )
        return Choice("single", "a stock Keras model: padding would change its answers")
    if strategy != "auto" and STRATEGIES[strategy].fills_rows and not model.packable:
        raise ConfigError(
            f"strategy '{strategy}' puts several sequences into one row, which these layers of the model cannot tell "
            f"apart: {list_some(model.unpackable_layers)}. Use 'bucketed' (or 'auto', which chooses it)."
        )
    if strategy != "auto":
        return Choice(strategy, "as asked for")
    if model.packable:
        geometry = model.time_geometry
        if lengths is not None and auto_strategy(lengths, geometry, is_packable=True) != "packed":
            gap, mean = next_start(0, geometry), float(np.mean(np.asarray(lengths)))
            reason = f"gaps of {gap:,} frames between sequences of {mean:,.0f}, on average, would fill packed rows"
            return Choice("bucketed", reason)
        return Choice("packed", "every layer can take several sequences in one row")
    return Choice("bucketed", f"these layers cannot be packed: {list_some(model.unpackable_layers)}")


def min_frames(model: Any) -> int:
    """Return the frames that a sequence needs at least, of our models and of stock ones."""
    if is_sequence_model(model):
        return int(model.min_frames)
    from seqconv.models.stock import least_frames

    return least_frames(model)


def check_source(model: Any, source: Source) -> None:
    """Check that a model can take the sequences of a source.

    Raises:
        ManifestError: sequences are too short for the model, or there are none.
        ModelError: a stock model that takes something else, keeps states, or has several inputs or outputs.
        ShapeError: the sequences have another number of features than the model.
    """
    from seqconv.prediction.stock import check_inputs

    if not len(source.lengths):
        raise ManifestError("there are no sequences to run the model on.")
    num_features = source[0].shape[1]
    expected = model.num_features if is_sequence_model(model) else check_inputs(model, source)
    if expected is not None and num_features != expected:
        raise ShapeError(
            f"the sequences have {num_features} features in a frame ('{source.ids[0]}' is one), but the model was "
            f"trained on {expected}. Extract them with the settings of the model."
        )
    shortest = min_frames(model)
    short = np.flatnonzero(np.asarray(source.lengths) < shortest)
    if len(short):
        names = list_some(f"{source.ids[i]} ({source.lengths[i]} frames)" for i in short.tolist())
        raise ManifestError(
            f"{len(short)} sequences are too short for the model: {names}. It needs at least {shortest} frames; "
            "leave them out, or use a model with padding 'same'."
        )


def _forward_member(model: Any, source: Source, strategy: str, sizes: dict[str, int], chunk_frames: int | None) -> Any:
    from seqconv.prediction import random_features

    if strategy == "auto" and chunk_frames is None and random_features.qualifies(model):
        outputs, is_known = random_features.answer(model, source)
        if not is_known.all():
            rest = Selection(source, np.flatnonzero(~is_known))
            outputs[~is_known] = _forward_graph(model, rest, strategy, sizes, chunk_frames)
        return outputs
    return _forward_graph(model, source, strategy, sizes, chunk_frames)


def _forward_graph(model: Any, source: Source, strategy: str, sizes: dict[str, int], chunk_frames: int | None) -> Any:
    """Return the outputs of the model's graph, of long sequences in chunks."""
    from seqconv.prediction.streaming import whole

    is_long = whole.find_long(model, source.lengths, chunk_frames, strategy)
    layout = choose_strategy(model, strategy, source.lengths).strategy
    known = {} if layout == "single" else sizes
    if not is_long.any():
        return _forward_batches(model, source, layout, known)
    short, long = np.flatnonzero(~is_long), np.flatnonzero(is_long)
    found = list(_forward_batches(model, Selection(source, short), layout, known)) if len(short) else []
    found += whole.forward_long(model, Selection(source, long), chunk_frames)
    answers = [found[place] for place in np.argsort([*short, *long])]
    return answers if model.predicts_frames else np.stack(answers)


def _forward_batches(model: Any, source: Source, strategy: str, sizes: dict[str, Any]) -> Any:
    plan = make_plan(strategy, source.lengths, shuffle=False, time_geometry=model.time_geometry, **sizes)
    layouts = plan.epoch(0)
    run = runner_for(model, {layout.shape for layout in layouts})
    outputs = ((layout, run(make_batch(layout, source).as_inputs())) for layout in layouts)
    if not model.predicts_frames:
        return restore_order([(layout, unpack(logits, layout)) for layout, logits in outputs], len(source.lengths))
    answers: list[Array] = [np.zeros((0, model.num_outputs), np.float32)] * len(source.lengths)
    for layout, logits in outputs:
        found = unpack_frames(logits, layout, model.time_geometry)
        for index, frames in zip(layout.indices.tolist(), found, strict=True):
            # A copy: a view would keep the whole batch, its padding too.
            answers[index] = frames.copy()
    return answers
