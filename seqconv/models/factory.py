"""Building and loading models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from seqconv.errors import ModelError

# Known to Keras once it is imported.
from seqconv.models.average_model import AverageModel  # noqa: F401
from seqconv.models.card import ModelCard
from seqconv.models.model_files import find_model_file
from seqconv.models.safe_loading import check_archive
from seqconv.models.sequence_model import SequenceModel
from seqconv.models.settings import ModelConfig


def build_model(
    model_config: ModelConfig | Mapping[str, Any],
    *,
    num_features: int,
    num_outputs: int,
    card: ModelCard | Mapping[str, Any] | None = None,
) -> SequenceModel:
    """Build a model for sequences `(time, num_features)` of any length.

    Args:
        model_config: the `model` section of a config, as a dict or already checked.
        num_features: features in a frame.
        num_outputs: classes, labels or regression targets; the model returns that many logits.
        card: what evaluation and prediction need to know besides the weights; saved in the model.

    Raises:
        ConfigError: for an unknown or impossible setting, named by its key.

    Example:

    >>> model = build_model({"blocks": [{"filters": 8, "kernel_size": 3}]}, num_features=4, num_outputs=2)
    >>> model.input_shape, model.output_shape, model.receptive_field
    ((None, None, 4), (None, 2), 3)
    """
    return SequenceModel(model_config, num_features, num_outputs, card)


def open_model(model: Any) -> Any:
    """Return a loaded model as it is; load a path.

    Raises:
        ModelError: there is no model at that path.
    """
    return load_model(model) if isinstance(model, str | Path) else model


def load_model(path: str | Path) -> keras.Model:
    """Load a `.keras` file, or that in the folder of a run, in Keras's safe mode: one of ours, or another model.

    The file is checked first (`seqconv.models.safe_loading`): no code of its author runs, and nothing is written.

    Raises:
        ModelError: when there is no such file, it does not hold a model, it is in a format of Keras 2, or it holds
            anything besides a model: classes that are neither Keras's nor seqconv's, Lambda layers, members that no
            model needs, sizes that are absurd.
    """
    path = find_model_file(path)
    check_archive(path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Whatever Keras, its backend and h5py raise for files that are not theirs.
        raise ModelError(f"'{path}' cannot be loaded as a Keras model: {error}") from error
