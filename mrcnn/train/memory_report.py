"""Adds the memory of the process and of its GPUs to the figures of each epoch."""

from collections.abc import Sequence

import keras

from mrcnn.events import EventLog
from mrcnn.ops.backend.current import native
from mrcnn.train import memory

RESIDENT, PEAK = "memory_gb", "memory_peak_gb"  # columns of the history; gigabytes of 1e9 bytes
GPU, GPU_PEAK = "gpu_memory_gb", "gpu_memory_peak_gb"  # of the GPU that uses most
GROWTH = 1.05  # a peak that has grown by more than this factor is logged again


class MemoryReport(keras.callbacks.Callback):
    """Adds the memory in use after an epoch's last step, and the most so far, to its logs.

    A line is logged after the first epoch, and after one in which a peak grew by more than 5 %. Must come before the
    callbacks that use the logs.
    """

    def __init__(self, *, devices: Sequence[str], log: EventLog):
        """Stores the names of the run's devices, such as `GPU:0`, and the log."""
        super().__init__()
        self._gpus = [name for name in devices if name.startswith("GPU")]
        self._log = log
        self._logged: dict[str, float] = {}

    def on_epoch_end(self, epoch, logs=None):
        """Adds the columns that the system reports, and logs large changes."""
        found = measured(self._gpus)
        if logs is not None:
            logs.update(found)
        peaks = {name: found[name] for name in (PEAK, GPU_PEAK) if name in found}
        if any(value > GROWTH * self._logged.get(name, 0.0) for name, value in peaks.items()):
            self._logged = peaks
            self._log.info(f"epoch {epoch + 1}: {described(found)}")


def measured(gpus: Sequence[str]) -> dict[str, float]:
    """Reads the memory in use now and the most so far.

    Args:
        gpus: names such as `GPU:0`; empty on the CPU.

    Returns:
        Gigabytes by column. Without columns that the system does not report: `/proc` exists on Linux alone.
    """
    found: dict[str, int | None] = {RESIDENT: memory.resident(), PEAK: memory.peak()}
    if gpus:
        used = [native.gpu_memory(int(name.split(":")[1])) for name in gpus]
        found |= {GPU: max(now for now, _ in used), GPU_PEAK: max(most for _, most in used)}
    return {name: round(value / 1e9, 3) for name, value in found.items() if value is not None}


def described(found: dict[str, float]) -> str:
    """Writes figures of `measured` as one line, such as `2.1 GB of memory in use (most so far 2.4 GB)`."""
    texts = [
        f"{found[now]:.1f} GB of {name} in use (most so far {found[most]:.1f} GB)"
        for name, now, most in (("memory", RESIDENT, PEAK), ("GPU memory", GPU, GPU_PEAK))
        if now in found and most in found
    ]
    return ", ".join(texts)
