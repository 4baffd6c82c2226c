"""Functions for Keras on PyTorch; see `interface.Backend`."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, cast

import keras
import numpy as np
import torch
from keras import ops

from mrcnn.ops.backend import blocked
from mrcnn.ops.backend.interface import SCORE_FLOOR, Graph, Inputs
from mrcnn.structures import Count, Tensor

try:
    import torchvision
except ImportError:  # not needed: it has a faster suppression
    torchvision = None

NAME = "PyTorch"
HASH_DTYPE = "int64"
BUILDS_GRAPH = False
RUNS_WHEN_READY = False  # operations run in their order
COMPILES_STEPS = False
ERRORS = (torch.OutOfMemoryError, MemoryError, RuntimeError)

after = contextlib.nullcontext
training = contextlib.nullcontext  # PyTorch adds gradients in the reverse order of the operations


def nms(boxes: Tensor, scores: Tensor, *, iou_threshold: float, max_outputs: int) -> tuple[Tensor, Tensor]:
    """Suppresses boxes image by image, with torchvision's kernel where it is installed."""
    one_image = _nms_by_blocks if torchvision is None else _nms_by_torchvision
    index = torch.zeros((len(boxes), max_outputs), dtype=torch.int32, device=boxes.device)
    used = torch.zeros((len(boxes), max_outputs), dtype=torch.bool, device=boxes.device)
    for image, inputs in enumerate(zip(boxes, scores, strict=True)):
        index[image], used[image] = one_image(*inputs, iou_threshold=iou_threshold, max_outputs=max_outputs)
    return index, used


_nms_by_blocks = blocked.nms


def _nms_by_torchvision(
    boxes: Tensor, scores: Tensor, *, iou_threshold: float, max_outputs: int
) -> tuple[Tensor, Tensor]:
    candidates = torch.nonzero(scores > SCORE_FLOOR)[:, 0]
    # the kernel compares with a double: with that of the float32 that the other back ends compare with
    kept = torchvision.ops.nms(boxes[candidates], scores[candidates], float(np.float32(iou_threshold)))
    kept = candidates[kept[:max_outputs]].to(torch.int32)
    index = torch.nn.functional.pad(kept, (0, max_outputs - len(kept)))
    return index, torch.arange(max_outputs, device=index.device) < len(kept)


def top_k(values: Tensor, k: Count) -> tuple[Tensor, Tensor]:
    """Finds the largest numbers with a stable sort; `torch.topk` takes any of equals."""
    if k == 1:  # argmax is the first of equals
        index = torch.argmax(values, dim=-1, keepdim=True)
        return torch.take_along_dim(values, index, dim=-1), index
    ordered, index = torch.sort(values, dim=-1, descending=True, stable=True)
    return ordered[..., :k], index[..., :k]


def reverse_last(values: Tensor) -> Tensor:
    """Flips the last axis, since slices of PyTorch have no negative steps."""
    return torch.flip(values, (-1,))


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Calls Keras's `custom_gradient`, which here also passes the function's arguments to the gradient."""

    def with_arguments(*args: Any) -> tuple[Any, Callable[..., Any]]:
        result, gradient = function(*args)
        return result, lambda *_, upstream: gradient(upstream)

    return cast(Callable[..., Any], ops.custom_gradient(with_arguments))


def computed_last(gradient: Tensor) -> Tensor:
    """Returns the gradient as it is."""
    return gradient


def prefers_fixed_shapes() -> bool:
    """Always false: shapes may follow the data."""
    return False


def compiled(function: Callable[..., Any], inputs: Inputs, *, weights: Callable[[], Sequence[Any]]) -> Graph:
    """Runs the function operation by operation, without gradients."""
    del weights

    def run(*arguments: np.ndarray) -> Any:
        with torch.no_grad(), _device():
            given = zip(arguments, inputs, strict=True)
            return function(*(ops.convert_to_tensor(array, dtype=dtype) for array, (_, dtype) in given))

    return run


class _Chosen:
    """The device of this process, for all threads; None for Keras' own choice."""

    device: str | None = None


def _device() -> contextlib.AbstractContextManager[Any]:
    return contextlib.nullcontext() if _Chosen.device is None else keras.device(_Chosen.device)


def gpus() -> list[Any]:
    """Lists the names of PyTorch's GPUs."""
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def visible_gpus() -> list[Any]:
    """Lists the chosen GPU, or else all."""
    return gpus() if _Chosen.device is None else [name for name in gpus() if name == _Chosen.device]


def show_gpus(chosen: Sequence[Any]) -> None:
    """Makes the first of the GPUs, or the CPU, the device of all models."""
    _Chosen.device = chosen[0] if chosen else "cpu"
    keras.device(_Chosen.device).__enter__()  # for the variables that this thread creates


def capability(gpu: str) -> tuple[int, int] | None:
    """Returns the compute capability of a GPU by name."""
    major, minor = torch.cuda.get_device_capability(gpu)
    return major, minor


def gpu_name(gpu: str) -> str:
    """Returns the product name of a GPU by its name in PyTorch."""
    return torch.cuda.get_device_name(gpu)


def gpu_memory(number: int) -> tuple[int, int]:
    """Reads PyTorch's own counts, without memory that it reserved but does not use."""
    gpu = visible_gpus()[number]
    return torch.cuda.memory_allocated(gpu), torch.cuda.max_memory_allocated(gpu)


def cuda_version() -> str | None:
    """Returns the version that PyTorch was built for."""
    return cast(str | None, torch.version.cuda)


def allow_tf32(allowed: bool) -> None:
    """Switches PyTorch's TF32 on or off, of products and convolutions."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def tf32_is_allowed() -> bool:
    """Checks PyTorch's setting for convolutions, which is on unless the program switched it off."""
    return bool(torch.backends.cudnn.allow_tf32)
