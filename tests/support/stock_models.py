"""Stock Keras models that fail the contract, and those that pass."""

import keras

Conv1D, Dense = keras.layers.Conv1D, keras.layers.Dense
BatchNormalization, Masking = keras.layers.BatchNormalization, keras.layers.Masking
Mean, Maximum = keras.layers.GlobalAveragePooling1D, keras.layers.GlobalMaxPooling1D
# What fails, and which trap of docs/contract.md it is.
FAILING = {
    "Conv1D drops the mask, and the mean counts padding": lambda: [Conv1D(6, 5, padding="same"), Mean()],
    "the bias of one convolution is read by the next": lambda: [
        Conv1D(6, 1, bias_initializer="ones"),
        Conv1D(6, 3, padding="same", use_bias=False),
        Maximum(),
    ],
    "normalization moves padding away from zero": lambda: [
        BatchNormalization(beta_initializer="ones"),
        Conv1D(6, 3, padding="same", use_bias=False, activation="relu"),
        Maximum(),
    ],
    "strided same takes its phase from the padded length": lambda: [
        Conv1D(6, 3, strides=2, padding="same", use_bias=False, activation="relu"),
        Maximum(),
    ],
    "GlobalMaxPooling1D looks at padding": lambda: [Dense(6, bias_initializer="ones"), Maximum()],
    "MaxPooling1D drops the mask": lambda: [keras.layers.MaxPooling1D(2, padding="same"), Mean()],
    "AveragePooling1D drops the mask": lambda: [keras.layers.AveragePooling1D(2, padding="same"), Mean()],
    "GroupNormalization counts padding": lambda: [keras.layers.GroupNormalization(2), Mean()],
    "SeparableConv1D drops the mask": lambda: [keras.layers.SeparableConv1D(6, 3, padding="same"), Mean()],
}
PASSING = {
    "the mean keeps to its mask": lambda: [Dense(6), Mean()],
    "a recurrent layer stops at the end": lambda: [keras.layers.LSTM(4)],
    "normalization at inference, each frame by itself": lambda: [BatchNormalization(), Dense(6), Mean()],
}
