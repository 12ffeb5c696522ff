"""Fixtures for all tests, and how they share the cores."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

# Each process computes on one core: several side by side, each with a thread for every core, only wait for each other.
# NumPy's library looks at it once, when it is imported; processes that tests start inherit it.
for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# No module is garbage: looking for some is half of what importing TensorFlow takes, and goes on with every test.
gc.disable()

import numpy as np  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

MOST_WORKERS = 4
LONGEST = ("test_backends.py", "test_contract_random.py")
# Counting lines takes a fourth of the time of a test. Of these, which take longest, every line is run by others, too.
WITHOUT_COVERAGE = (
    *("test_contract_random.py", "test_contract.py", "test_trained_models.py", "test_training_resume.py"),
    *("test_docs.py", "test_layers_battery.py", "test_layer_contract.py", "test_reference.py", "test_pieces.py"),
    *("test_batching_padding_bounds.py", "test_streaming.py", "test_streaming_random.py", "test_backend_runs.py"),
    *("test_training_imbalance.py", "test_averaging.py", "test_frame_training.py", "test_training_weighting.py"),
)
# How long an example takes, or its making, says something of the machine alone.
settings.register_profile("seqconv", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("seqconv")

# A user's file: to collect it would register its parts in the process of all other tests.
collect_ignore_glob = ["support/user/*"]


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Processes to start; a single file is run in this one, without waiting for another to import TensorFlow."""
    if len(config.args) == 1 and Path(config.args[0].split("::")[0]).is_file():
        return 0
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, MOST_WORKERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take minutes come first: a process that began one last would keep the others waiting."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
    for item in items:
        if item.path.name in WITHOUT_COVERAGE:
            item.add_marker("no_cover")


def pytest_collection_finish() -> None:
    """All modules are imported: what is created from here on may be garbage."""
    gc.freeze()
    gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    """Signals act as in a terminal: shells and `nohup` make background jobs ignore some."""
    for name, action in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, action)


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


@pytest.fixture(scope="module")
def running_store() -> Iterator[object]:
    """A stand-in for S3 on loopback."""
    from support.servers import object_store

    with object_store() as server:
        yield server


@pytest.fixture
def store(running_store):
    """The same, with nothing in it."""
    running_store.forget()
    return running_store
