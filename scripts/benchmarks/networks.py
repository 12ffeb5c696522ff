"""The networks that contestants train: four convolutions, their mean over time, and a dense layer; or three over time
and bands."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BLOCKS = ((64, 5), (128, 5), (128, 3), (256, 3))
NUM_FEATURES = 64
NUM_CLASSES = 5
FRAMES_PER_BATCH = 8192
BATCH_SIZE = 32
LEARNING_RATE = 1e-3

MODEL_CONFIG: dict[str, Any] = {
    "defaults": {"norm": "batch", "activation": "relu"},
    "blocks": [{"filters": filters, "kernel_size": kernel_size} for filters, kernel_size in BLOCKS],
    "pooling": "mean",
}
# Over time and bands: filters, kernel size and strides of both axes.
BLOCKS_2D = ((16, (5, 5), (2, 2)), (32, (3, 3), (1, 2)), (64, (3, 3), (1, 2)))
MODEL_CONFIG_2D: dict[str, Any] = {
    "defaults": {"norm": "batch", "activation": "relu"},
    "blocks": [
        {"type": "to_bands"},
        *(
            {"type": "conv2d", "filters": filters, "kernel_size": size, "strides": strides}
            for filters, size, strides in BLOCKS_2D
        ),
        {"type": "from_bands", "bands": "mean"},
    ],
    "pooling": "mean",
}


@contextmanager
def as_users_do() -> Iterator[None]:
    """Without the warnings that plain Keras gives about what users do: masks get lost, epochs end unannounced."""
    with warnings.catch_warnings():
        for message in (".*destroy the mask", "Your input ran out of data"):
            warnings.filterwarnings("ignore", message=message, category=UserWarning)
        yield


def stock_network(*, masking: bool = False, normalization: tuple[Any, Any] | None = None) -> Any:
    """Plain Keras.

    `masking` puts the layer in front that users put there, though the first convolution drops it; `normalization`, the
    mean and the variance of each feature, one that applies them.
    """
    import keras
    from keras import layers

    inputs = x = keras.Input((None, NUM_FEATURES))
    if normalization:
        x = layers.Normalization(mean=normalization[0], variance=normalization[1])(x)
    if masking:
        x = layers.Masking(0.0)(x)
    for filters, kernel_size in BLOCKS:
        x = layers.Conv1D(filters, kernel_size, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(NUM_CLASSES)(x))


def stock_network_2d() -> Any:
    """Plain Keras over time and bands."""
    import keras
    from keras import layers

    inputs = keras.Input((None, NUM_FEATURES))
    x = layers.Reshape((-1, NUM_FEATURES, 1))(inputs)
    for filters, size, strides in BLOCKS_2D:
        x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(NUM_CLASSES)(x))


def compile_stock(model: Any) -> Any:
    """Cross-entropy of class numbers and Adam, without metrics; XLA stays off, as it costs more than it gives here."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss, jit_compile=False)
    return model
