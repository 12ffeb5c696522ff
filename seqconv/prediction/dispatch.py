"""`predict`: from recordings, arrays or sequences to a table of predictions."""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqconv.data.manifest.channels import CHANNELS, read_channel_folder
from seqconv.data.manifest.folders import ARRAY_SUFFIXES, AUDIO_SUFFIXES, OTHER_AUDIO, check_names
from seqconv.data.sequences import Sequences
from seqconv.data.settings import WindowSettings
from seqconv.errors import AudioError, ConfigError, ManifestError, list_some
from seqconv.features import FeatureKind, RecordedKind, as_settings
from seqconv.features.cases import FORMATS, case_columns, find_form, read_cases
from seqconv.features.cells import ROW_SUFFIXES
from seqconv.features.store import BadFile
from seqconv.files import is_file
from seqconv.models.card import ModelCard, model_target, read_card
from seqconv.sources import Source
from seqconv.tasks.target import Target
from seqconv.text import amount


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
        inputs: recordings (a path, a folder with all recordings below it, or a list of these); features (an array
            `(time, d)` or `(n, time, d)`, or a list of arrays `(time, d)`; for a model that looks up tokens also
            `(time,)`); or `Sequences`, or a feature store.
        strategy: auto, packed, bucketed, padded or single; it changes the time, not the predictions.
        features: how to compute features from recordings; default: as the model was trained.
        batch_size: sequences per step, on average.
        target: what the outputs mean; needed for a stock Keras model.
        chunk_frames: recordings and sequences of more frames are read and run in chunks of that many, in bounded
            memory, with the same answer; default: where the strategy is auto and the model is `chunkable`, as many as
            keep activations near 32 MB.
        quarantine: a list to which (id, path, reason) of each file without a prediction is added.

    Returns:
        a row for each sequence: id (of a recording, its path), num_frames, prediction, and `p_<name>` for each class.
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
    **options: Any,
) -> Iterator[pd.DataFrame]:
    """Yield the result of `predict` in pieces: tables of as many sequences as have a million output frames together.

    A model that predicts sequences gives one table, and one more for each recording that is run in chunks. Arguments
    and errors are those of `predict`; `options` are its strategy, batch_size and chunk_frames. The files without a
    prediction are added to `quarantine` at the end.
    """
    # Which files there are to read is found without Keras.
    from seqconv.models.factory import open_model
    from seqconv.prediction.files import predict_files, predict_source
    from seqconv.prediction.windows import predict_windows

    model = open_model(model)
    target = model_target(model, target)
    paths = _as_paths(inputs)
    if paths is None:
        yield from predict_source(model, target, _as_source(model, inputs), options)
        return
    settings = _feature_settings(model, features)
    card = read_card(model)
    entries, windows = find_entries(paths, settings, card.segmentation.form), trained_windows(card)
    _warn_of_notes(entries)
    if windows is None:
        bad = yield from predict_files(model, target, entries, settings, options)
    else:
        bad = yield from predict_windows(model, target, entries, settings, windows, options)
    if quarantine is not None:
        quarantine += bad


def trained_windows(card: ModelCard) -> WindowSettings | None:
    """Return the windows that a model was trained on, by its card; None if it takes whole recordings."""
    return None if card.predicts_frames else card.segmentation.windows


def find_entries(paths: Iterable[str | Path], settings: FeatureKind, form: str = "") -> pd.DataFrame:
    """Return the sequences to read: columns `id` and `path` (and `case`, in a file of several), folders sorted.

    Args:
        paths: files and folders.
        settings: feature settings.
        form: how tables hold several sequences, by the card of the model.

    Raises:
        ConfigError: recordings are given, but the features are precomputed.
        AudioError: a folder holds nothing to read.
    """
    is_precomputed = not isinstance(settings, RecordedKind)
    wanted = (*ARRAY_SUFFIXES, *FORMATS, *(ROW_SUFFIXES if form else ())) if is_precomputed else AUDIO_SUFFIXES
    files: list[Path] = []
    rows: list[dict[str, Any]] = []
    for given in map(str, paths):
        if given.startswith(CHANNELS):
            listed, _ = read_channel_folder(Path(given.removeprefix(CHANNELS)))
            listed = listed.assign(
                id=f"{given}/" + listed["id"], path=given.removeprefix(CHANNELS) + "/" + listed["path"]
            )
            columns = ["id", *case_columns(listed)]
            rows += [dict(zip(columns, cells, strict=True)) for cells in listed[columns].to_numpy().tolist()]
        else:
            path = Path(given)
            files += _files_below(path, wanted) if path.is_dir() else [path]
    recordings = [path for path in files if path.suffix.lower() in AUDIO_SUFFIXES]
    if is_precomputed and recordings:
        raise ConfigError(
            f"the model takes features that were computed elsewhere, but {list_some(recordings)} are recordings. Pass "
            "arrays (time, d), or files of them (.npy, .npz, .csv, .parquet, .ts), or features=... to compute them."
        )
    for path in files:
        rows += _sequences_in(path, settings, form) if is_precomputed else [{"id": str(path), "path": str(path)}]
    return pd.DataFrame(rows).drop_duplicates(ignore_index=True)


def _sequences_in(path: Path, settings: FeatureKind, form: str) -> list[dict[str, Any]]:
    """Return a row for each sequence in a file of features."""
    # A model of tables knows their columns: to it, a table of numbers without names is none of several sequences.
    has_names = getattr(settings, "columns", None) is not None
    found = find_form(path) if path.suffix.lower() in FORMATS or not has_names else None
    if found is None and (not form or path.suffix.lower() in ARRAY_SUFFIXES):
        return [{"id": str(path), "path": str(path)}]
    form = form if found is None else found
    cases, named = read_cases(path, form), {"case_form": form} if form else {}
    return [
        {"id": f"{path}/{name}".rstrip("/"), "path": str(path), "case": number, **named}
        for number, name in enumerate(cases.ids)
    ]


def _warn_of_notes(entries: pd.DataFrame) -> None:
    """Warn of what a file of several sequences did not say."""
    if "case_form" not in entries:
        return
    for path, form in entries[["path", "case_form"]].dropna().drop_duplicates().itertuples(index=False):
        for note in read_cases(Path(path), form).notes:
            warnings.warn(f"'{path}': {note}", stacklevel=3)


def check_entries(entries: pd.DataFrame) -> None:
    """Refuse a list of files of which none is there; if some are, the others are reported with the predictions.

    Raises:
        AudioError: names them.
    """
    if any(map(is_file, entries["path"])):
        return
    count = len(entries)
    lines = [f"  {name} ({Path(path).absolute()}): no such file" for name, path in entries[["id", "path"]].to_numpy()]
    raise AudioError("\n".join([f"{amount(count, 'recording')} of {count} cannot be read:", *lines[:5]]))


def _as_paths(inputs: Any) -> list[str | Path] | None:
    """Return the paths, or `None` if the inputs are sequences already."""
    paths = [inputs] if isinstance(inputs, str | Path) else inputs
    are_paths = isinstance(paths, Sequence) and paths and all(isinstance(path, str | Path) for path in paths)
    return list(paths) if are_paths else None


def _as_source(model: Any, inputs: Any) -> Source:
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


def _files_below(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    hidden, present = set(folder.rglob(".*")), sorted(path for path in folder.rglob("*") if path.is_file())
    check_names(present)
    present = [path for path in present if not hidden.intersection((path, *path.parents))]
    files = [path for path in present if path.suffix.lower() in suffixes]
    others = Counter(path.suffix.lower() for path in present if path.suffix.lower() in OTHER_AUDIO)
    if others:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common())
        warnings.warn(f"'{folder}' also holds recordings that libsndfile cannot read, left out: {kinds}", stacklevel=3)
    if not files:
        raise AudioError(f"folder '{folder}' holds no file to predict ({', '.join(suffixes)}).")
    return files
