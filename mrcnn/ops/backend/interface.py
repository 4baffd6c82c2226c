"""The interface of the back ends' files: modules whose functions are those of `Backend`.

Shape letters: B images, N candidate boxes.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from mrcnn.structures import Count, Tensor

# finite, so that exporters and kernels agree on them; every real score lies far above both
INVALID_SCORE = -2e30
SCORE_FLOOR = -1e30

Inputs = Sequence[tuple[Sequence[int | None], str]]  # shape and dtype of each argument; None is an unknown length
Graph = Callable[..., Any]


class Backend(Protocol):
    """Interface of a back end's file.

    Attributes:
        NAME: of the back end, for messages.
        HASH_DTYPE: integer type in which the low 32 bits of a product of 32-bit numbers are exact.
        BUILDS_GRAPH: whether the first call of a compiled function takes long, since it is traced or compiled.
        RUNS_WHEN_READY: whether an operation runs as soon as its inputs are there, so that `after` has an effect.
        COMPILES_STEPS: whether training steps are always compiled, since single operations would take far longer.
        ERRORS: types of the errors that a computation raises where its memory does not suffice, among other reasons.
    """

    NAME: str
    HASH_DTYPE: str
    BUILDS_GRAPH: bool
    RUNS_WHEN_READY: bool
    COMPILES_STEPS: bool
    ERRORS: tuple[type[Exception], ...]

    def nms(self, boxes: Tensor, scores: Tensor, *, iou_threshold: float, max_outputs: int) -> tuple[Tensor, Tensor]:
        """Suppresses boxes greedily by descending score, of equal scores the first.

        Args:
            boxes: `[B, N, 4]` float32, yxyx pixels, without a gradient; N may be 0.
            scores: `[B, N]` float32; boxes that score less than `SCORE_FLOOR` are left out.
            iou_threshold: a box is dropped when its IoU with a kept one is above (not at) it.
            max_outputs: slots of the result.

        Returns:
            index: `[B, max_outputs]` int32, kept boxes by descending score, 0 in unused slots.
            used: `[B, max_outputs]` bool; used slots come first.
        """

    def top_k(self, values: Tensor, k: Count) -> tuple[Tensor, Tensor]:
        """Finds the largest numbers of the last axis, in descending order, of equal ones the first.

        Args:
            values: `[..., N]` float32.
            k: how many, at most N.

        Returns:
            The numbers and their integer places, each `[..., k]`.
        """

    def reverse_last(self, values: Tensor) -> Tensor:
        """Reverses the order of the last axis of `[..., N]`."""

    def custom_gradient(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As `keras.ops.custom_gradient`, but unused models can be freed.

        Args:
            function: of tensors; returns its result and a function of the result's gradient, which returns the
                gradients of the tensors.
        """

    def after(self, tensor: Tensor | None) -> AbstractContextManager[None]:
        """Context whose operations run only when a tensor is computed.

        Otherwise, where `RUNS_WHEN_READY`, the terms of a sum are all computed first, and then added.

        Args:
            tensor: None for no context.
        """

    def computed_last(self, gradient: Tensor) -> Tensor:
        """Marks a gradient to be computed after the variable's other gradients.

        For one that depends on the variable alone, such as that of weight decay: it could be computed at the
        start of the step, but would then be in memory during all of it.
        """

    def training(self) -> AbstractContextManager[None]:
        """Context for tracing and running training steps.

        Gradients are added in a fixed order, and the graphs of the steps are freed with their model.
        """

    def prefers_fixed_shapes(self) -> bool:
        """Checks whether a head must run, or runs faster, on the same number of regions in every batch."""

    def compiled(self, function: Callable[..., Any], inputs: Inputs, *, weights: Callable[[], Sequence[Any]]) -> Graph:
        """Makes a function for inference of a function of tensors.

        Args:
            function: of tensors; it may read Keras variables, but changes none.
            inputs: of the function.
            weights: lists the variables that it reads.

        Returns:
            A function of NumPy arrays, which returns what `function` returns. Threads may share it.
        """

    def gpus(self) -> list[Any]:
        """Lists the machine's GPUs."""

    def visible_gpus(self) -> list[Any]:
        """Lists the GPUs that computations may use; it initializes none."""

    def show_gpus(self, chosen: Sequence[Any]) -> None:
        """Makes computations use the given GPUs, whose memory grows as needed; none for the CPU.

        Raises:
            RuntimeError: other devices are used already.
        """

    def capability(self, gpu: Any) -> tuple[int, int] | None:
        """Returns NVIDIA's compute capability of a GPU; None for one without."""

    def gpu_name(self, gpu: Any) -> str:
        """Returns the product name of a GPU; `GPU` where the back end does not know it."""

    def gpu_memory(self, number: int) -> tuple[int, int]:
        """Reads the memory of a visible GPU that is in use now, and the most so far, bytes.

        Args:
            number: of the GPU among the visible ones.
        """

    def cuda_version(self) -> str | None:
        """Returns the version of CUDA that the back end was built for; None for a build without, or if unknown."""

    def allow_tf32(self, allowed: bool) -> None:
        """Chooses whether float32 products on a GPU may be TF32."""

    def tf32_is_allowed(self) -> bool:
        """Checks whether float32 products on a GPU may be TF32."""
