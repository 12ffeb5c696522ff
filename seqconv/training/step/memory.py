"""Memory of training steps: how much they need, and how much there is."""

import contextlib
from pathlib import Path

import keras

from seqconv.training.run.runtime import runs_on_gpu

STATUS, MEMINFO, CLEAR = Path("/proc/self/status"), Path("/proc/meminfo"), Path("/proc/self/clear_refs")
LIMIT, USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
OUT_OF_MEMORY = ("ResourceExhaustedError", "OutOfMemoryError", "MemoryError")


class StepMemory:
    """The memory of the steps since it was made: of the process on CPUs, of the device on GPUs."""

    def __init__(self, device: str | None) -> None:
        self.is_on_gpu = runs_on_gpu(device)
        self.available = None if self.is_on_gpu else available_bytes()
        self._before = _bytes_in(STATUS, "VmRSS:")

    def restart(self) -> None:
        """Forget the peak of the steps so far."""
        if not self.is_on_gpu:
            # Linux: the peak starts again from the memory in use now.
            with contextlib.suppress(OSError):
                CLEAR.write_text("5")

    def peak_bytes(self) -> int | None:
        """Return the most bytes that steps have needed; None if the system does not say."""
        if self.is_on_gpu:
            return _gpu_peak_bytes()
        peak = _bytes_in(STATUS, "VmHWM:")
        return None if peak is None or self._before is None else max(0, peak - self._before)


def available_bytes() -> int | None:
    """Return the bytes that this process may take, of the machine or of its container; None if unknown."""
    if (free := _bytes_in(MEMINFO, "MemAvailable:")) is None:
        return None
    bounds = [free]
    with contextlib.suppress(OSError, ValueError):
        bounds.append(int(LIMIT.read_text()) - int(USED.read_text()))
    return max(0, min(bounds))


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of any backend says that memory ran out.

    >>> is_out_of_memory(RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes"))
    True
    """
    return type(error).__name__ in OUT_OF_MEMORY or "RESOURCE_EXHAUSTED" in str(error)


def _bytes_in(file: Path, field: str) -> int | None:
    try:
        line = next(line for line in file.read_text().splitlines() if line.startswith(field))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024


def _gpu_peak_bytes() -> int | None:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    if backend == "torch":
        import torch

        return int(torch.cuda.max_memory_allocated())
    import jax

    statistics = jax.local_devices()[0].memory_stats() or {}
    return statistics.get("peak_bytes_in_use")
