"""The interface of the heads that follow the box head."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from mrcnn.blocks.base import Float32Layer
from mrcnn.structures import RoiTargets, Size, Tensor

Losses = dict[str, Tensor]
Across = Callable[[Tensor], Tensor]


class Head(Float32Layer):
    """Base class of the heads that predict more about the box head's regions.

    A subclass holds a network, targets, loss and decoding; its constructor receives the layers. The model calls
    `outputs` and `losses` in training, and `decode` for detections.

    Attributes:
        needs: extra fields of the objects that its targets are computed from; a batch has them as `gt_<name>`.
        loss_names: keys of the dictionary `losses` returns; also used by the log, the history and `loss_weights`.
        loss_labels: legend texts of losses, by name; the curves show a loss without one under its name.
        gives: fields of a detection that `decode` adds.
        class_layers: names of its layers whose shapes depend on the classes; `transfer_learning` initialises them anew.
        fixed_slots: true: the network runs on the same number of regions in every batch, which XLA needs and which is
            the default with a GPU; false: unused slots are dropped. Set by the model.
        mask_classes: class ids whose objects train masks; None for all. Set by the model.
    """

    needs: tuple[str, ...] = ()
    loss_names: tuple[str, ...] = ()
    loss_labels: ClassVar[Mapping[str, str]] = {}
    gives: tuple[str, ...] = ()
    class_layers: tuple[str, ...] = ()
    fixed_slots: bool = False
    mask_classes: tuple[int, ...] | None = None

    def outputs(
        self,
        pyramid: Sequence[Tensor],
        regions: RoiTargets,
        batch: Mapping[str, Tensor],
        *,
        image_size: Size,
        training: bool,
    ) -> Any:
        """Computes predictions and targets for the sampled training regions.

        Args:
            pyramid: P2..P5, each `[B, Hl, Wl, C]`.
            regions: the box head's sample, `[B, R, ...]`; boxes in pixels of the model input.
            batch: the fields of `Batch` by name.
            image_size: (H, W) of the model input.
            training: whether batch norm may use the batch's statistics.

        Returns:
            A record of the head's own type, the argument of `losses`.
        """
        raise NotImplementedError

    def losses(self, outputs: Any, *, across: Across) -> Losses:
        """Computes the head's losses by name.

        Args:
            outputs: the record `outputs` returned.
            across: adds a count up over the devices.

        Returns:
            A float32 scalar for each of `loss_names`.
        """
        raise NotImplementedError

    def decode(
        self, pyramid: Sequence[Tensor], boxes: Tensor, class_ids: Tensor, *, valid: Tensor, image_size: Size
    ) -> dict[str, Tensor]:
        """Predicts the fields named in `gives` for a batch of detections.

        Args:
            pyramid: P2..P5, each `[B, Hl, Wl, C]`.
            boxes: `[B, D, 4]` float32, yxyx pixels of the model input; zeros in unused slots.
            class_ids: `[B, D]` int32.
            valid: `[B, D]` bool, the slot holds a detection.
            image_size: (H, W) of the model input.

        Returns:
            A tensor `[B, D, ...]` for each field.
        """
        raise NotImplementedError
