"""Describes the computer and the software of a run, for its record."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

import keras

import mrcnn
from mrcnn.card.facts import Gpu, Machine
from mrcnn.ops.backend.current import native

CPU_FILE = Path("/proc/cpuinfo")
MEMORY_FILE = Path("/proc/meminfo")
PACKAGES = (keras.config.backend(), "keras", "numpy")
QUERY = ("nvidia-smi", "--query-gpu=name,power.limit", "--format=csv,noheader,nounits")
PATIENCE = 10.0  # seconds; a driver that does not answer must not hold the run up


def describe(devices: Sequence[str]) -> Machine:
    """Describes this computer.

    Args:
        devices: names of the devices in use, such as `GPU:0`.
    """
    return Machine(cpu=_cpu(), cores=_cores(), memory_gb=_memory_gb(), gpus=_gpus(devices))


def software() -> dict[str, str]:
    """Lists the versions of the program, its main packages, Python and the operating system."""
    found = {"mrcnn": mrcnn.__version__}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # such as tensorflow-cpu, which has the module alone
            continue
    cuda = native.cuda_version()
    more = {"CUDA": cuda} if cuda and native.gpus() else {}
    return {**found, **more, "Python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}


def _cpu() -> str | None:
    if CPU_FILE.is_file():
        for line in CPU_FILE.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return " ".join(value.split())
    return platform.processor() or None


def _cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _memory_gb() -> float | None:
    if not MEMORY_FILE.is_file():
        return None
    first = next((line for line in MEMORY_FILE.read_text().splitlines() if line.startswith("MemTotal:")), "")
    return round(int(first.split()[1]) * 1024 / 1e9, 1) if first else None


def _gpus(devices: Sequence[str]) -> tuple[Gpu, ...]:
    visible = native.visible_gpus()
    names = [native.gpu_name(visible[int(name.split(":")[1])]) for name in devices if name.startswith("GPU:")]
    limits = _power_limits() if names else {}
    return tuple(Gpu(name=name, watts=limits.get(name)) for name in names)


def _power_limits() -> dict[str, float]:
    """Asks NVIDIA's driver for the power limit of each kind of GPU, watts; empty where it does not answer."""
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    found = {}
    for line in done.stdout.splitlines():
        name, _, watts = line.rpartition(",")
        try:
            found[name.strip()] = float(watts)
        except ValueError:  # "[N/A]"
            continue
    return found
