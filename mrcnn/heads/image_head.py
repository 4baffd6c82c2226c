"""The interface of heads that work on whole images, beside those of regions."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mrcnn.blocks.base import Float32Layer
from mrcnn.heads.head import Across, Losses
from mrcnn.structures import Tensor


class ImageHead(Float32Layer):
    """Base class of the heads that predict maps of the whole image.

    The model calls `outputs` and `losses` in training, and `decode` at inference. A map has no row for each detection:
    it is in `RawDetections.maps`.

    Attributes:
        maps: names of the maps that it predicts; a batch has the annotated ones as `gt_<name>`.
        needs: extra fields of the objects, always none, as in `Head`.
        gives: fields of a detection, always none, as in `Head`.
        loss_names: as in `Head`.
        loss_labels: as in `Head`.
        loss_weights: factors of losses in the sum by name, unless `model.loss_weights` sets others; 1 for the rest.
        class_layers: as in `Head`.
    """

    maps: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    loss_names: tuple[str, ...] = ()
    loss_labels: ClassVar[Mapping[str, str]] = {}
    loss_weights: ClassVar[Mapping[str, float]] = {}
    class_layers: tuple[str, ...] = ()

    def outputs(self, pyramid: Sequence[Tensor], batch: Mapping[str, Tensor], *, training: bool) -> Any:
        """Computes predictions and targets for the images of a batch.

        Args:
            pyramid: P2..P5, each `[B, Hl, Wl, C]`.
            batch: the fields of `Batch` by name, with `gt_<name>` for each of `maps`.
            training: whether batch norm may use the batch's statistics.

        Returns:
            A record of the head's own type, the argument of `losses`.
        """
        raise NotImplementedError

    def losses(self, outputs: Any, *, across: Across) -> Losses:
        """Computes the head's losses by name; see `Head.losses`."""
        raise NotImplementedError

    def decode(self, pyramid: Sequence[Tensor]) -> dict[str, Tensor]:
        """Predicts the maps.

        Args:
            pyramid: P2..P5, each `[B, Hl, Wl, C]`.

        Returns:
            A tensor `[B, ...]` for each of `maps`, over the whole model input with its padding.
        """
        raise NotImplementedError
