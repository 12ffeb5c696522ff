"""Fixtures for all tests."""

from collections.abc import Iterator

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    """The same random numbers in every run."""
    return np.random.default_rng(20)


@pytest.fixture(scope="session", autouse=True)
def own_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests read and write no cache of the user's, and print as on a terminal of 100 columns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQCONV_CACHE", str(tmp_path_factory.mktemp("cache")))
        # Workers of pytest-xdist have the width of whatever started them.
        patch.setenv("COLUMNS", "100")
        yield


@pytest.fixture
def float64_inputs() -> Iterator[None]:
    """Keras rounds inputs to its float type before it trains."""
    import keras

    floatx = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(floatx)
