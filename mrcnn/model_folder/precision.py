"""Chooses the number format of the convolutions for the setting `auto`.

bfloat16 halves the time on a processor with native support, and takes many times longer where it is emulated.
"""

from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from mrcnn.config.base import AUTO

CPU_INFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # as Linux names them on x86 and on ARM
LEAST_CAPABILITY = (8, 0)  # of NVIDIA's GPUs: the first generation with bfloat16 tensor cores
SINGLE, BRAIN = "float32", "mixed_bfloat16"


class Precision(NamedTuple):
    """A Keras dtype policy and the reason for it, written as a clause."""

    policy: str
    reason: str = "it was asked for"

    def __str__(self) -> str:
        """Returns the line for the log."""
        return f"precision: {self.policy}, because {self.reason}"


DEFAULT = Precision(SINGLE)


def resolve(asked: str, *, cpu_info: Path = CPU_INFO) -> Precision:
    """Resolves a precision setting to a Keras dtype policy; choose the visible devices first.

    Args:
        asked: a Keras dtype policy, or `auto`: mixed_bfloat16 if all visible GPUs (without a GPU, the CPU) multiply
            bfloat16 natively, else float32.
        cpu_info: Linux's description of the CPU; without it, `auto` on a CPU is float32.

    Returns:
        The policy and the reason for it.
    """
    if asked != AUTO:
        return Precision(asked)
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        return _for_gpus([capability(gpu) for gpu in gpus])
    native = cpu_has_bfloat16(cpu_info)
    if native:
        return Precision(BRAIN, "this CPU has bfloat16 instructions")
    unknown = "it is not known whether this CPU has bfloat16 instructions"
    return Precision(SINGLE, unknown if native is None else "this CPU has no bfloat16 instructions")


def cpu_has_bfloat16(cpu_info: Path = CPU_INFO) -> bool | None:
    """Checks whether the CPU has bfloat16 instructions; None if `cpu_info` does not exist."""
    if not cpu_info.is_file():
        return None
    return bool(BFLOAT16_FLAGS & set(cpu_info.read_text(encoding="utf-8", errors="replace").split()))


def capability(gpu: tf.config.PhysicalDevice) -> tuple[int, int]:
    """Returns NVIDIA's compute capability; (0, 0) for a GPU that has none."""
    return tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))


def _for_gpus(capabilities: list[tuple[int, int]]) -> Precision:
    least = min(capabilities)
    shown = ".".join(map(str, least))
    if least >= LEAST_CAPABILITY:
        return Precision(BRAIN, f"a GPU of compute capability {shown} multiplies bfloat16 natively")
    return Precision(SINGLE, f"bfloat16 needs a GPU of compute capability 8.0, and there is one of {shown}")
