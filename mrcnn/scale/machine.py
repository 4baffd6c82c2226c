"""Shares the cores and GPUs of one machine among worker processes."""

import contextlib
import os
import subprocess
from collections.abc import Mapping, MutableMapping, Sequence

GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
LONGEST = 20  # seconds that nvidia-smi may take


def cores() -> list[int]:
    """Lists the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Lists the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them; none without a driver."""
    if GPU_VARIABLE in environment:
        return [name for name in environment[GPU_VARIABLE].split(",") if name and name != "-1"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=True)
        return done.stdout.split()
    return []


def share(items: Sequence, index: int, count: int) -> list:
    """Returns the part of the items that worker `index` of `count` uses: at least one, where there is any."""
    return list(items[index::count]) if index < len(items) else list(items[index % len(items) :][:1]) if items else []


def use_threads(count: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """Limits the threads of the libraries that are imported later, unless the user did."""
    for name in THREAD_VARIABLES:
        environment.setdefault(name, str(max(count, 1)))


def settle(index: int, count: int, *, gpu_names: Sequence[str]) -> None:
    """Restricts this process to its share of the cores and to one GPU.

    Call it before TensorFlow is imported.

    Args:
        index: number of the worker.
        count: number of the workers.
        gpu_names: those of the machine; several workers may share one. Without names the GPUs are hidden.
    """
    mine = share(cores(), index, count)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, mine)
    use_threads(len(mine))
    os.environ[GPU_VARIABLE] = gpu_names[index % len(gpu_names)] if gpu_names else "-1"
