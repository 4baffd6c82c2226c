"""Functions for Keras on JAX; see `interface.Backend`."""

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import jax
import keras
from keras import ops

from mrcnn.ops.backend import blocked
from mrcnn.ops.backend.interface import Graph, Inputs
from mrcnn.structures import Count, Tensor

NAME = "JAX"
HASH_DTYPE = "uint32"  # its products wrap at 2**32; JAX has no 64-bit integers unless the program switches them on
BUILDS_GRAPH = True
RUNS_WHEN_READY = False  # the compiler chooses the order
COMPILES_STEPS = True
ERRORS = (jax.errors.JaxRuntimeError, MemoryError)

after = contextlib.nullcontext
training = contextlib.nullcontext  # a compiled function adds in one order


def nms(boxes: Tensor, scores: Tensor, *, iou_threshold: float, max_outputs: int) -> tuple[Tensor, Tensor]:
    """Suppresses boxes in blocks, all images at the same time."""
    one_image = partial(blocked.nms, iou_threshold=iou_threshold, max_outputs=max_outputs)
    return jax.vmap(one_image)(boxes, scores)


def top_k(values: Tensor, k: Count) -> tuple[Tensor, Tensor]:
    """Finds the largest numbers with Keras' operation, which takes the first of equals here."""
    return ops.top_k(values, k=k)


def reverse_last(values: Tensor) -> Tensor:
    """Slices with a step of -1."""
    return values[..., ::-1]


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Calls Keras's `custom_gradient`."""
    return cast(Callable[..., Any], ops.custom_gradient(function))


def computed_last(gradient: Tensor) -> Tensor:
    """Returns the gradient as it is."""
    return gradient


def prefers_fixed_shapes() -> bool:
    """Always true: a compiled function of JAX has no other shapes."""
    return True


def compiled(function: Callable[..., Any], inputs: Inputs, *, weights: Callable[[], Sequence[Any]]) -> Graph:
    """Compiles the function once for each shape; the weights are arguments, so that they are no constants of it."""
    del inputs

    @jax.jit
    def pure(values: Sequence[Tensor], *arguments: Tensor) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(weights(), values, strict=True))):
            return function(*arguments)

    return lambda *arguments: pure([variable.value for variable in weights()], *arguments)


def gpus() -> list[Any]:
    """Lists JAX's GPUs."""
    return [device for device in jax.devices() if device.platform == "gpu"]


def visible_gpus() -> list[Any]:
    """Lists the GPU of JAX's default device, or else all."""
    chosen = jax.config.jax_default_device
    return gpus() if chosen is None else [chosen] if chosen.platform == "gpu" else []


def show_gpus(chosen: Sequence[Any]) -> None:
    """Makes the first of the GPUs, or the CPU, JAX's default device."""
    jax.config.update("jax_default_device", chosen[0] if chosen else jax.devices("cpu")[0])


def capability(gpu: Any) -> tuple[int, int] | None:
    """Returns the compute capability, which JAX has as a text such as `9.0`."""
    major, _, minor = str(getattr(gpu, "compute_capability", "")).partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None


def gpu_name(gpu: Any) -> str:
    """Returns the kind of device that JAX reports."""
    return str(gpu.device_kind or "GPU")


def gpu_memory(number: int) -> tuple[int, int]:
    """Reads JAX's own counts, without memory that it reserved but does not use."""
    found = visible_gpus()[number].memory_stats() or {}
    return found.get("bytes_in_use", 0), found.get("peak_bytes_in_use", 0)


def cuda_version() -> str | None:
    """Always None: JAX has no public name for it."""
    return None


def allow_tf32(allowed: bool) -> None:
    """Chooses the default precision of products: JAX's own, which is TF32 on a GPU, or full float32."""
    jax.config.update("jax_default_matmul_precision", None if allowed else "highest")


def tf32_is_allowed() -> bool:
    """Checks that the default precision of products is not full float32."""
    return jax.config.jax_default_matmul_precision not in ("highest", "float32")
