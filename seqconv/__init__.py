"""Train convolutional networks on sequences of any length: the batch never changes the answer."""

__version__ = "0.1.0"
