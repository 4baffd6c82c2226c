"""The keypoint head: predicts, trains and decodes points of objects. Source: Mask R-CNN (2017), section 5."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from mrcnn.blocks.base import Shape
from mrcnn.heads import slots
from mrcnn.heads.head import Across, Head, Losses
from mrcnn.heads.keypoint.decode import DECODING, decode_keypoints
from mrcnn.heads.keypoint.loss import mrcnn_keypoint_loss
from mrcnn.heads.keypoint.network import CHANNELS, ENLARGED, KeypointNetwork
from mrcnn.heads.keypoint.targets import KeypointTargets, keypoint_targets
from mrcnn.structures import RoiTargets, Size, Tensor

LOSS = "mrcnn_keypoint_loss"
NORMALIZERS = ("visible", "static")


class KeypointOutputs(NamedTuple):
    """Predictions for P sampled regions, with their targets.

    Attributes:
        logits: `[P, S, S, K]` float32.
        targets: of the same regions.
        images: int32 scalar, the number of images of the batch.
    """

    logits: Tensor
    targets: KeypointTargets
    images: Tensor


class Keypoints(Head):
    """Keypoint head: predicts a map of cells for each point of each region's object.

    A region trains the points of its object that are annotated and inside it. Other regions, such as those of objects
    without points, have no loss.
    """

    loss_names = (LOSS,)
    loss_labels: ClassVar[Mapping[str, str]] = {LOSS: "keypoints"}
    needs = ("keypoints",)
    gives = ("keypoints",)
    class_layers = ("mrcnn_keypoint_deconv",)

    def __init__(
        self,
        *,
        features: keras.layers.Layer,
        num_keypoints: int,
        channels: Sequence[int] = CHANNELS,
        class_points: Sequence[Sequence[int]] | None = None,
        decoding: str = "detectron2",
        normalizer: str = "visible",
        max_objects: int | None = None,
        pixel_shift: float = 0.0,
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the network.

        Args:
            features: samples regions' features from the pyramid; a `RoiFeatures` of `output_size` 14 for maps of 56.
            num_keypoints: K.
            channels: of the convolutions, in order.
            class_points: for each class from 1 the indices of its points; None if every class has all points.
            decoding: the rule for scores, see `decode_keypoints`.
            normalizer: divisor of the loss, summed over points. `visible`: their number; `static`: the largest number
                that a batch can have, images * `max_objects` * K, so that a batch with few points has a small loss.
            max_objects: the most object regions of an image in training, which come first in its sample; None where
                every slot of the sample can hold one.
            pixel_shift: added to decoded x and y and subtracted from those of targets, pixels of the model input; 0.5
                for weights that were trained on the indices of pixels, as torchvision's were.
            feature_dtype: dtype of the convolutions; the logits are float32.
            **kwargs: of the Keras layer.

        Raises:
            ValueError: a number or a word is none of the allowed ones.
        """
        super().__init__(**kwargs)
        if num_keypoints < 1 or not channels:
            raise ValueError(f"a keypoint head needs a point and a convolution, got {num_keypoints} and {channels}")
        for word, known in ((decoding, DECODING), (normalizer, NORMALIZERS)):
            if word not in known:
                raise ValueError(f"a keypoint head's rule must be one of {', '.join(known)}, got {word!r}")
        self.features = features
        self.num_keypoints, self.channels = num_keypoints, tuple(channels)
        self.class_points = None if class_points is None else tuple(map(tuple, class_points))
        self.decoding, self.normalizer = decoding, normalizer
        self.max_objects, self.pixel_shift = max_objects, pixel_shift
        self.network = KeypointNetwork(
            num_keypoints=num_keypoints, channels=channels, feature_dtype=feature_dtype, name="mrcnn_keypoint"
        )

    def build(self, input_shape: Shape) -> None:
        """Creates the weights for a pyramid of maps `[B, Hl, Wl, C]`."""
        self.network.build(input_shape)

    def outputs(
        self,
        pyramid: Sequence[Tensor],
        regions: RoiTargets,
        batch: Mapping[str, Tensor],
        *,
        image_size: Size,
        training: bool,
    ) -> KeypointOutputs:
        """Predicts the points of the regions whose objects have points to train on; see `Head.outputs`.

        Returns:
            `KeypointOutputs` of those regions and, so that it is not empty, of the batch's first slot; with
            `fixed_slots` of all slots that can hold an object.
        """
        points = ops.take_along_axis(batch["gt_keypoints"], regions.matched_idx[..., None, None], axis=1)
        flat = ops.reshape(regions.rois, (-1, 4))
        targets = keypoint_targets(
            ops.reshape(points, (-1, self.num_keypoints, 3)) - self._shift(), flat, size=self._side
        )
        count = regions.class_ids.shape[1]
        weights = targets.weights * ops.cast(ops.reshape(regions.class_ids > 0, (-1, 1)), "float32")
        used = ops.any(ops.reshape(weights, (-1, count, self.num_keypoints)) > 0, axis=-1)
        image, slot = slots.find(slots.with_first(used), fixed=self.fixed_slots, most=self.max_objects)
        row = image * count + slot
        logits = self._maps(pyramid, ops.take(flat, row, axis=0), image, image_size=image_size)
        chosen = KeypointTargets(ops.take(targets.cells, row, axis=0), ops.take(weights, row, axis=0))
        # a region of padding is not valid, but has class 0 and so no weight
        return KeypointOutputs(logits, chosen, ops.shape(regions.rois)[0])

    def losses(self, outputs: KeypointOutputs, *, across: Across) -> Losses:
        """Computes the keypoint loss, by name; see `Head.losses`."""
        static = None
        if self.normalizer == "static":
            each = (self.max_objects or 1) * self.num_keypoints
            static = ops.cast(outputs.images, "float32") * each
        return {LOSS: mrcnn_keypoint_loss(outputs.logits, outputs.targets, static_count=static, across=across)}

    def decode(
        self, pyramid: Sequence[Tensor], boxes: Tensor, class_ids: Tensor, *, valid: Tensor, image_size: Size
    ) -> dict[str, Tensor]:
        """Predicts the points of each detection; see `Head.decode`.

        Returns:
            `keypoints`: `[B, D, K, 3]` float32: x, y in pixels of the model input, and a score by `decoding`; zeros in
            unused slots and for points that the class does not have.
        """
        used = ops.ones_like(valid) if self.fixed_slots else slots.with_first(valid)
        image, slot = slots.find(used, fixed=self.fixed_slots)
        rois = ops.take(ops.reshape(boxes, (-1, 4)), image * boxes.shape[1] + slot, axis=0)
        maps = self._maps(pyramid, rois, image, image_size=image_size)
        static = self.fixed_slots and all(isinstance(side, int) for side in image_size)
        limits = (image_size[0], image_size[1]) if static else None
        found = decode_keypoints(maps, rois, rule=self.decoding, limits=limits) + self._shift()
        found = slots.spread(found, used, valid=valid)
        return {"keypoints": ops.where(self._has(class_ids)[..., None], found, 0.0)}

    @property
    def _side(self) -> int:
        return ENLARGED * self.features.output_size

    def _shift(self) -> Tensor:
        return ops.convert_to_tensor([self.pixel_shift, self.pixel_shift, 0.0], dtype="float32")

    def _has(self, class_ids: Tensor) -> Tensor:
        """Looks up which points each detection's class has, `[B, D, K]` bool."""
        everything = range(self.num_keypoints)
        if self.class_points is None:
            return ops.ones_like(class_ids[..., None], dtype="bool") & ops.ones(self.num_keypoints, "bool")
        table = [[point in points for point in everything] for points in ((), *self.class_points)]
        return ops.take(ops.convert_to_tensor(table, dtype="bool"), class_ids, axis=0)

    def _maps(self, pyramid: Sequence[Tensor], rois: Tensor, image_index: Tensor, *, image_size: Size) -> Tensor:
        return self.network(self.features(pyramid, rois, image_index, image_size=image_size))
