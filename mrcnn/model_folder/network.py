"""The interface of a loaded network."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mrcnn.structures import Choices, RawDetections, Tensor
from mrcnn.weights import hdf5


class Network(Protocol):
    """A built network; a Keras model or layer is one."""

    @property
    def weights(self) -> Sequence[Any]:
        """The Keras variables."""

    @property
    def compute_dtype(self) -> str:
        """Number format of the convolutions."""

    def weight_layout(self) -> hdf5.Layout:
        """Lists the weights by layer, under their names in a weight file."""

    def use_fixed_slots(self, fixed: bool) -> None:
        """Chooses whether graphs traced from now on have fixed shapes, which do not depend on what is found."""

    def __call__(self, batch: Mapping[str, Tensor], *, choices: Choices) -> RawDetections:
        """Finds objects in `images` at their `windows` by the given choices; see `models.mask_rcnn`."""

    def detect_boxes(self, batch: Mapping[str, Tensor], *, choices: Choices) -> RawDetections:
        """Finds the same objects without masks and extra fields."""

    def describe_boxes(self, batch: Mapping[str, Tensor], **boxes: Tensor) -> dict[str, Tensor]:
        """Predicts masks and extra fields of given `boxes`, `class_ids` and `valid`."""
