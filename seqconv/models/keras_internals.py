"""All that seqconv takes from Keras's private package, since no public way leads there: the only file that does."""

import keras

from seqconv.errors import SeqconvError

# As in the dependencies of pyproject.toml.
SUPPORTED = "keras>=3.12,<3.16"

try:
    from keras.src.backend.common.global_state import set_global_attribute

    # `fit` takes any subclass of it as `x`, and asks it for the batches of each backend as they are.
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter
except ImportError as error:
    raise SeqconvError(
        f"Keras {keras.__version__} has moved what seqconv takes from its private package ({error}). seqconv is tested "
        f"with {SUPPORTED}: pip install '{SUPPORTED}'"
    ) from error

__all__ = ["DataAdapter", "forget_uninitialized_weights"]


def forget_uninitialized_weights() -> None:
    """Forget weights created in a `keras.StatelessScope`, which would be initialized, and take memory, at its end."""
    set_global_attribute("uninitialized_variables", [])
