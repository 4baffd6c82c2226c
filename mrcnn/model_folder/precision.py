"""Chooses the number format of the convolutions: the one of the setting `auto`, and whether float32 is TF32 on a GPU.

bfloat16 halves the time on a processor with native support, and takes many times longer where it is emulated. TF32
rounds the factors of products from 23 to 10 binary places, which GPUs multiply several times faster.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import keras

from mrcnn.config.base import AUTO
from mrcnn.ops.backend.current import native

CPU_INFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # as Linux names them on x86 and on ARM
LEAST_CAPABILITY = (8, 0)  # of NVIDIA's GPUs: the first generation with bfloat16 and TF32 tensor cores
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
    gpus = native.visible_gpus()
    if gpus:
        return _for_gpus([capability(gpu) for gpu in gpus])
    found = cpu_has_bfloat16(cpu_info)
    if found:
        return Precision(BRAIN, "this CPU has bfloat16 instructions")
    unknown = "it is not known whether this CPU has bfloat16 instructions"
    return Precision(SINGLE, unknown if found is None else "this CPU has no bfloat16 instructions")


@contextmanager
def scope(policy: str) -> Iterator[None]:
    """Context in which layers are built with a Keras dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def choose_tf32(allowed: bool | None) -> None:
    """Switches TF32 on or off for all models of this process; no other function may.

    Args:
        allowed: whether float32 products on a GPU may be TF32; None keeps the back end's setting, which is on unless
            the program switched it off.
    """
    if allowed is not None:
        native.allow_tf32(allowed)


def uses_tf32() -> bool:
    """Checks whether float32 products are TF32 now: it is on, and a visible GPU has it."""
    return native.tf32_is_allowed() and _gpus_have_tf32()


def lines(chosen: Precision, *, asked: str) -> list[str]:
    """Composes the lines for the log: what `auto` is, and whether float32 on a GPU is TF32.

    Args:
        chosen: the result of `resolve`.
        asked: the setting.

    Returns:
        No line for float32 on a CPU, unless `auto` was asked for.
    """
    found = [str(chosen)] if asked == AUTO else []
    if chosen.policy == SINGLE and native.visible_gpus():
        found.append(f"TF32: {_tf32_state()}")
    return found


def _tf32_state() -> str:
    if not _gpus_have_tf32():
        return "off, since it needs a GPU of compute capability 8.0"
    if uses_tf32():
        return "on, products of float32 have 10 binary places; `tf32` false (--no-tf32) switches it off"
    return "off, products of float32 have 23 binary places"


def _gpus_have_tf32() -> bool:
    """Checks whether one of the visible GPUs has TF32; one whose capability is unknown counts as having it."""
    return any(capability(gpu, unknown=LEAST_CAPABILITY) >= LEAST_CAPABILITY for gpu in native.visible_gpus())


def cpu_has_bfloat16(cpu_info: Path = CPU_INFO) -> bool | None:
    """Checks whether the CPU has bfloat16 instructions; None if `cpu_info` does not exist."""
    if not cpu_info.is_file():
        return None
    return bool(BFLOAT16_FLAGS & set(cpu_info.read_text(encoding="utf-8", errors="replace").split()))


def capability(gpu: Any, *, unknown: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Returns NVIDIA's compute capability; `unknown` for a GPU that has none."""
    return native.capability(gpu) or unknown


def _for_gpus(capabilities: list[tuple[int, int]]) -> Precision:
    least = min(capabilities)
    shown = ".".join(map(str, least))
    if least >= LEAST_CAPABILITY:
        return Precision(BRAIN, f"a GPU of compute capability {shown} multiplies bfloat16 natively")
    return Precision(SINGLE, f"bfloat16 needs a GPU of compute capability 8.0, and there is one of {shown}")
