"""`explain`: the computation of one layer, in plain words and with its own numbers."""

import itertools
import textwrap
from dataclasses import dataclass
from typing import Any

import keras

from seqconv.errors import ModelError
from seqconv.inspection.arithmetic import Check
from seqconv.inspection.explanation_text import Words
from seqconv.inspection.graph import find_layer


@dataclass(frozen=True)
class Explanation:
    """Paragraphs with headings; it prints as text.

    Attributes:
        layer: name of the layer.
        paragraphs: heading and text of each. Lines that are indented are formulas, and kept as they are.
        check: the sum that was computed in NumPy and compared with Keras.
    """

    layer: str
    paragraphs: tuple[tuple[str, str], ...]
    check: Check

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = 100) -> str:
        """Return the paragraphs, in lines of at most `width` characters if they are not formulas."""
        wrapper = textwrap.TextWrapper(width - 2, initial_indent="  ", subsequent_indent="  ")
        blocks = []
        for heading, paragraph in self.paragraphs:
            lines = [[f"  {line}"] if line.startswith("  ") else wrapper.wrap(line) for line in paragraph.splitlines()]
            blocks.append("\n".join([heading, *itertools.chain(*lines)]))
        return "\n\n".join(blocks)


def explain(model_or_layer: Any, layer: str | None = None, *, seed: int = 0) -> Explanation:
    """Explain one output value of a convolution, in plain words.

    Args:
        model_or_layer: a convolution, or a model that has one.
        layer: its name, where a model is given.
        seed: of the random input on which the sum is checked.

    Raises:
        ModelError: there is no such layer, or it is no convolution; says what it is.

    >>> import keras
    >>> layer = keras.layers.Conv1D(8, 3, name="first")
    >>> layer.build((None, None, 16))
    >>> print(explain(layer).paragraphs[0][1])
    8 filters over 3 frames and 16 channels: (T, 16) becomes (T - 2, 8).
    """
    if isinstance(model_or_layer, keras.Model):
        if layer is None:
            raise ModelError(f"'{model_or_layer.name}' is a model. Say which layer: explain(model, 'NAME').")
        model_or_layer = find_layer(model_or_layer, layer)
    words = Words(model_or_layer, seed)
    paragraphs = (
        (f"{model_or_layer.name} is a {words.kind_shown()}", words.summary()),
        ("One output value", words.one_value()),
        ("The check", words.checked()),
        ("All channels, or one", words.channels()),
        ("Kernel size 1", words.pointwise()),
        ("Bias and activation", words.bias()),
        ("What get_weights() holds", words.weights()),
        ("The same kernel elsewhere", words.elsewhere()),
    )
    return Explanation(model_or_layer.name, paragraphs, words.check)
