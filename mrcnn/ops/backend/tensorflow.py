"""Functions for Keras on TensorFlow; see `interface.Backend`."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf
from keras import ops

from mrcnn.ops import tensorflow_internals
from mrcnn.ops.backend.interface import SCORE_FLOOR, Graph, Inputs
from mrcnn.structures import Count, Tensor

NAME = "TensorFlow"
HASH_DTYPE = "int64"
BUILDS_GRAPH = True
RUNS_WHEN_READY = True
COMPILES_STEPS = False  # a graph without XLA is fast enough, and one serves all shapes
ERRORS = (tf.errors.OpError, MemoryError)

custom_gradient = tensorflow_internals.custom_gradient


def nms(boxes: Tensor, scores: Tensor, *, iou_threshold: float, max_outputs: int) -> tuple[Tensor, Tensor]:
    """Suppresses boxes with TensorFlow's kernel.

    `NonMaxSuppressionV4` with padded output is the one form that was correct in every export format we measured,
    provided that its padding is masked by its own count and no gather reads beyond the boxes.
    """

    def one_image(inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        index, count = tf.raw_ops.NonMaxSuppressionV4(
            boxes=inputs[0],
            scores=inputs[1],
            max_output_size=max_outputs,
            iou_threshold=tf.cast(iou_threshold, tf.float32),
            score_threshold=SCORE_FLOOR,
            pad_to_max_output_size=True,
        )
        used = tf.range(max_outputs) < count
        return tf.where(used, tf.reshape(index, (max_outputs,)), 0), used

    batch = boxes.shape[0]
    if batch:  # no loop: the images run at the same time, and the graph of an exported model has no control flow
        index, used = zip(*(one_image((boxes[image], scores[image])) for image in range(batch)), strict=True)
        return ops.stack(index), ops.stack(used)
    signature = (tf.TensorSpec((max_outputs,), tf.int32), tf.TensorSpec((max_outputs,), tf.bool))
    return tf.map_fn(one_image, (boxes, scores), fn_output_signature=signature)


def top_k(values: Tensor, k: Count) -> tuple[Tensor, Tensor]:
    """Finds the largest numbers with Keras' operation, which takes the first of equals here."""
    return ops.top_k(values, k=k)


@contextlib.contextmanager
def after(tensor: Tensor | None) -> Iterator[None]:
    """Adds a control dependency."""
    with tf.control_dependencies([] if tensor is None else [tensor]):
        yield


computed_last = tensorflow_internals.computed_last


@contextlib.contextmanager
def training() -> Iterator[None]:
    """Fixes the order of sums and frees the graphs of training steps with their model."""
    with tensorflow_internals.sums_in_fixed_order(), tensorflow_internals.freed_with_model():
        yield


def reverse_last(values: Tensor) -> Tensor:
    """Slices with a step of -1."""
    return values[..., ::-1]


def prefers_fixed_shapes() -> bool:
    """Checks whether there is a GPU: a CPU is faster when a head drops unused regions."""
    return bool(visible_gpus())


def compiled(function: Callable[..., Any], inputs: Inputs, *, weights: Callable[[], Sequence[Any]]) -> Graph:
    """Traces the function once for all shapes; the graph reads the variables itself."""
    del weights

    def forward(*arguments: Tensor) -> Any:
        with tensorflow_internals.forward_only():
            return function(*arguments)

    return tf.function(forward, input_signature=[tf.TensorSpec(list(shape), dtype) for shape, dtype in inputs])


def gpus() -> list[Any]:
    """Lists TensorFlow's physical GPUs."""
    return tf.config.list_physical_devices("GPU")


def visible_gpus() -> list[Any]:
    """Lists the physical GPUs that TensorFlow may use."""
    return tf.config.get_visible_devices("GPU")


def show_gpus(chosen: Sequence[Any]) -> None:
    """Makes GPUs visible to TensorFlow, with memory growth, and hides all others."""
    if visible_gpus() != list(chosen):
        tf.config.set_visible_devices(list(chosen), "GPU")
    for gpu in chosen:
        with contextlib.suppress(RuntimeError):  # after the first computation the setting cannot change
            tf.config.experimental.set_memory_growth(gpu, True)


def capability(gpu: tf.config.PhysicalDevice) -> tuple[int, int] | None:
    """Returns the compute capability of a physical GPU."""
    return tf.config.experimental.get_device_details(gpu).get("compute_capability")


def gpu_name(gpu: tf.config.PhysicalDevice) -> str:
    """Returns the product name of a physical GPU."""
    return str(tf.config.experimental.get_device_details(gpu).get("device_name") or "GPU")


def gpu_memory(number: int) -> tuple[int, int]:
    """Reads TensorFlow's own counts, without memory that it reserved but does not use."""
    found = tf.config.experimental.get_memory_info(f"GPU:{number}")
    return found["current"], found["peak"]


def cuda_version() -> str | None:
    """Reads the version from the description of TensorFlow's build."""
    found = tf.sysconfig.get_build_info().get("cuda_version")
    return str(found) if found else None


def allow_tf32(allowed: bool) -> None:
    """Switches TensorFlow's TF32 on or off."""
    tf.config.experimental.enable_tensor_float_32_execution(allowed)


def tf32_is_allowed() -> bool:
    """Checks TensorFlow's setting, which is on unless the program switched it off."""
    return tf.config.experimental.tensor_float_32_execution_enabled()
