"""`predict`: from recordings, arrays or sequences to a table of predictions."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from seqconv.data.conversions import as_features, holds_recordings
from seqconv.data.sequences import Sequences
from seqconv.data.settings import WindowSettings
from seqconv.errors import ConfigError, ManifestError
from seqconv.features import FeatureKind, as_settings
from seqconv.features.store import BadFile
from seqconv.models.card import ModelCard, model_target, read_card
from seqconv.prediction.entries import find_entries, listed_entries, warn_of_notes
from seqconv.sources import Source
from seqconv.tasks.target import Target

if TYPE_CHECKING:
    from seqconv.prediction.files import Tables


def predict(
    model: Any,
    inputs: Any,
    *,
    strategy: str = "auto",
    features: FeatureKind | Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    target: Target | None = None,
    chunk_frames: int | None = None,
    quarantine: list[BadFile] | None = None,
) -> pd.DataFrame:
    """Predict each of the inputs, in their order.

    Args:
        model: a `SequenceModel`, a run folder, a `.keras` file, or a stock Keras model over
            `(batch, time, num_features)`.
        inputs: recordings (a path, a folder with all recordings below it, or a list of these; or a table of them: a
            DataFrame with a column `path`, a Dataset of Hugging Face); features (an array `(time, d)` or
            `(n, time, d)`, or a list of arrays `(time, d)`; for a model that looks up tokens also `(time,)`; tensors);
            or `Sequences`, or a feature store. Labels of `(arrays, labels)` are left out.
        strategy: auto, packed, bucketed, padded or single; it changes the time, not the predictions.
        features: how to compute features from recordings; default: as the model was trained.
        batch_size: sequences per step, on average.
        target: what the outputs mean; needed for a stock Keras model.
        chunk_frames: recordings and sequences of more frames are read and run in chunks of that many, in bounded
            memory, with the same answer; default: where the strategy is auto and the model is `chunkable`, as many as
            keep activations near 32 MB.
        quarantine: a list to which (id, path, reason) of each file without a prediction is added.

    Returns:
        a row for each sequence: id (of a recording, its path, or its id in a table), num_frames, prediction, and
        `p_<name>` for each class.
        Multilabel joins the labels given; a regression of several columns has `prediction_<name>` for each.
        Of a model that was trained on windows, recordings are cut in the same way, and have a row for each window: id,
        start, end (in seconds), prediction and so on; arrays and sequences are taken as they are.
        Of a model that predicts frames, a row for each output frame: id, frame (number of the input frame that it
        stands for), time (in seconds, where it is known), prediction and so on.
        A file that cannot be read, or has too few frames for the model, has a row without a prediction (no row, where
        frames are predicted). A warning lists these.

    Raises:
        AudioError: none of the files can be read; names all of them.
        ShapeError: the sequences have another number of features than the model.
        ConfigError: the model does not know how to compute features or what its outputs mean.

    >>> from seqconv.models import build_model
    >>> from seqconv.tasks.target import fit_target
    >>> model = build_model({"blocks": [{"filters": 4}]}, num_features=2, num_outputs=2)
    >>> frame = predict(model, [np.zeros((5, 2))], target=fit_target("classification", ["off", "on"]))
    >>> list(frame.columns)
    ['id', 'num_frames', 'prediction', 'p_off', 'p_on']
    """
    options: dict[str, Any] = {"strategy": strategy, "batch_size": batch_size, "chunk_frames": chunk_frames}
    tables = predict_tables(model, inputs, features=features, target=target, quarantine=quarantine, **options)
    return pd.concat(tables, ignore_index=True)


def predict_tables(
    model: Any,
    inputs: Any,
    *,
    features: FeatureKind | Mapping[str, Any] | None = None,
    target: Target | None = None,
    quarantine: list[BadFile] | None = None,
    repeats: bool = True,
    **options: Any,
) -> Iterator[pd.DataFrame]:
    """Yield the result of `predict` in pieces: tables of as many sequences as have a million output frames together.

    A model that predicts sequences gives one table, and one more for each recording that is run in chunks. Arguments
    and errors are those of `predict`; `options` are its strategy, batch_size and chunk_frames. The files without a
    prediction are added to `quarantine` at the end. What is named twice is predicted twice only with `repeats`.
    """
    # Which files there are to read is found without Keras.
    from seqconv.models.factory import open_model
    from seqconv.prediction.files import predict_files, predict_source
    from seqconv.prediction.windows import predict_windows

    model = open_model(model)
    target = model_target(model, target)
    inputs = list(inputs) if isinstance(inputs, Iterator) else inputs
    entries, settings, card = None, None, read_card(model)
    if holds_recordings(inputs):
        settings = _feature_settings(model, features)
        entries = listed_entries(inputs, settings)
    elif (paths := _as_paths(inputs)) is not None:
        settings = _feature_settings(model, features)
        entries = find_entries(paths, settings, card.segmentation.form)
    if entries is None or settings is None:
        yield from predict_source(model, target, _as_source(model, inputs), options)
        return
    windows, wanted = trained_windows(card), entries
    entries = entries.drop_duplicates(ignore_index=True)
    warn_of_notes(entries)
    if windows is None:
        found = predict_files(model, target, entries, settings, options)
    else:
        found = predict_windows(model, target, entries, settings, windows, options)
    is_repeated = repeats and len(entries) < len(wanted)
    bad = yield from _repeat(found, wanted["id"].tolist()) if is_repeated else found
    if quarantine is not None:
        quarantine += bad


def trained_windows(card: ModelCard) -> WindowSettings | None:
    """Return the windows that a model was trained on, by its card; None if it takes whole recordings."""
    return None if card.predicts_frames else card.segmentation.windows


def _repeat(tables: "Tables", names: Sequence[str]) -> "Tables":
    """Yield the rows of each name, as often and in the order in which they are wanted; all are kept until then."""
    parts: list[pd.DataFrame] = []
    while True:
        try:
            parts.append(next(tables))
        except StopIteration as end:
            bad: list[BadFile] = end.value
            break
    rows = pd.concat(parts, ignore_index=True)
    of_name = rows.groupby("id", sort=False).indices
    chosen = [of_name[name] for name in names if name in of_name]
    yield rows.iloc[np.concatenate(chosen)].reset_index(drop=True)
    return bad


def _as_paths(inputs: Any) -> list[str | Path] | None:
    """Return the paths, or `None` if the inputs are sequences already."""
    paths: Any = [inputs] if isinstance(inputs, str | Path) else inputs
    if getattr(getattr(paths, "dtype", None), "kind", "") in ("O", "U"):
        # A column of a table, or an array of text.
        paths = paths.tolist()
    are_paths = isinstance(paths, Sequence) and paths and all(isinstance(path, str | Path) for path in paths)
    return list(paths) if are_paths else None


def _as_source(model: Any, inputs: Any) -> Source:
    inputs = as_features(inputs, "inputs")
    if isinstance(inputs, Source):
        return inputs
    if len(inputs) == 0:
        raise ManifestError("there is nothing to predict: no recordings and no arrays were given.")
    is_array = isinstance(inputs, np.ndarray) and inputs.dtype != object
    from seqconv.models.stock import takes_tokens

    if not hasattr(model, "time_geometry") and takes_tokens(model):
        # A sequence of tokens is (time,), or (time, 1); rows of a matrix are one each, as for Keras.
        is_single = is_array and (inputs.ndim == 1 or inputs.shape[1:] == (1,))
        rows = [np.asarray(each) for each in ([inputs] if is_single else inputs)]
        return Sequences([each[:, None] if each.ndim == 1 else each for each in rows])
    is_single = is_array and inputs.ndim <= 2
    return Sequences([inputs] if is_single else list(inputs))


def _feature_settings(model: Any, features: FeatureKind | Mapping[str, Any] | None) -> FeatureKind:
    settings = read_card(model).features if features is None else features
    if settings is None:
        raise ConfigError(
            f"model '{model.name}' does not say how to compute features from recordings. Pass features={{'kind': "
            "'log_mel', ...}, or --set features.kind=log_mel on the command line."
        )
    return as_settings(settings)
