"""A model up to its dense layers: the features that a linear head is fitted to."""

from typing import Any

import keras

from seqconv.models.sequence_model import SequenceModel
from seqconv.models.stack import Stack, apply_head, apply_trunk


class PooledModel(SequenceModel):
    """A model without its dense layers, of which it shares the others.

    It returns the pooled vector of each sequence, or each frame that the dense layers of a model of frames take.

    >>> from seqconv.models import build_model
    >>> model = build_model({"blocks": [{"filters": 8}], "pooling": ["mean", "max"]}, num_features=4, num_outputs=3)
    >>> PooledModel(model).output_shape
    (None, 16)
    """

    def __init__(self, model: SequenceModel, **options: Any) -> None:
        stack: Stack = model.stack._replace(dense=())
        inputs = keras.Input((None, model.num_features), name="frames")
        outputs = apply_head(stack, apply_trunk(stack, inputs, None))
        # Not Keras's Model, which the first model of this class has replaced among its bases.
        super(SequenceModel, self).__init__(inputs=inputs, outputs=outputs, name=f"{model.name}_pooled", **options)
        self._policy = keras.dtype_policies.get(model.dtype_policy)
        self._stack_of_layers = stack
        self.config, self.num_features, self.card = model.config, model.num_features, model.card
        self.num_outputs = int(outputs.shape[-1])
