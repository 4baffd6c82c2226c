"""What a detector asks of a head: of the region proposal network, of the box head, and of those that follow it."""

from collections.abc import Callable

from mrcnn.blocks.base import Float32Layer
from mrcnn.structures import RoiTargets, Tensor

Losses = dict[str, Tensor]
Across = Callable[[Tensor], Tensor]


class Head(Float32Layer):
    """A head that looks at the regions the box head chose: its network, targets, loss and decoding.

    A subclass is composed of layers, which its constructor receives. The model calls `outputs` and `losses` in
    training, and `decode` for detections.

    Attributes:
        loss_names: keys of what `losses` returns, which are also those of the log, the history and `loss_weights`.
        gives: fields of a detection that `decode` adds.
    """

    loss_names: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()

    def outputs(self, pyramid, regions: RoiTargets, batch, *, image_size: tuple[int, int], training: bool):
        """Predicts for the regions that train, and computes what the loss compares with.

        Args:
            pyramid: P2..P5, each `[B, Hl, Wl, C]`.
            regions: of the box head, `[B, R, ...]`.
            batch: maps the names of `Batch`.
            image_size: (H, W) of the model input.
            training: whether batch norm may use the batch's statistics.

        Returns:
            A record of this head, which `losses` reads.
        """
        raise NotImplementedError

    def losses(self, outputs, *, across: Across) -> Losses:
        """Computes the losses by name; `across` adds a count up over the devices."""
        raise NotImplementedError

    def decode(self, pyramid, boxes, class_ids, valid, *, image_size: tuple[int, int]) -> dict[str, Tensor]:
        """Predicts the fields of `gives` for detections `[B, D, ...]`, whose boxes are in the box head's frame."""
        raise NotImplementedError
