"""PointRend's networks: a coarse mask of a region, and a mask's value at any point of it.

Shape letters: P regions, S side of a region's features, M = S / 2 side of a coarse mask, K points of a region,
C classes with background, F channels of the features.
Source: Kirillov et al. (2020), PointRend: Image Segmentation as Rendering; numbers and layers of detectron2's
`CoarseMaskHead` and `StandardPointHead`.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.blocks.convolution import Convolution
from mrcnn.blocks.initial import INITIAL_VALUES
from mrcnn.blocks.norm import ConvNorm
from mrcnn.ops import points
from mrcnn.structures import Size, Tensor

POINT_LAYERS = 3
START = "mrcnn_mask_coarse", "mrcnn_mask_point"  # of the layers' names


class FineFeatures(Float32Layer):
    """Reads a region's features from the finest map of a pyramid, whatever the region's size."""

    def __init__(self, *, output_size: int = 14, **kwargs: Any) -> None:
        """Stores the settings.

        Args:
            output_size: S, side of a region's features in cells.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.output_size = output_size

    def call(
        self,
        features: Sequence[Tensor],
        rois: Tensor,
        image_index: Tensor,
        *,
        image_size: Size,
        extent: Size | None = None,
    ) -> Tensor:
        """Reads the features at the middle of each cell of the regions' grids.

        Args:
            features: P2 and others, `[B, Hl, Wl, F]`; only the first is read.
            rois: `[P, 4]` float32, yxyx.
            image_index: `[P]` int32, the image of each region.
            image_size: (H, W) of the model input.
            extent: sides of the model input in the frame of `rois`; None for a frame of pixels.

        Returns:
            `[P, S, S, F]` in the features' dtype.
        """
        side = self.output_size
        found = self.at(features, rois, image_index, places=points.grid(side)[None], image_size=extent or image_size)
        return ops.reshape(found, (-1, side, side, found.shape[-1]))

    def at(
        self, features: Sequence[Tensor], rois: Tensor, image_index: Tensor, *, places: Tensor, image_size: Size
    ) -> Tensor:
        """Reads the features at points of the regions.

        Args:
            features: as for a call.
            rois: `[P, 4]` float32, yxyx.
            image_index: `[P]` int32.
            places: `[P, K, 2]` float32, (x, y) in shares of the region's sides; P may be 1 for all regions.
            image_size: sides of the model input in the frame of `rois`.

        Returns:
            `[P, K, F]` in the features' dtype.
        """
        return points.read_features(features[0], points.in_pixels(places, rois), image_index, image_size=image_size)


class CoarseHead(Float32Layer):
    """A 2x2 convolution of stride 2, two fully connected layers, and a coarse mask for each class or for all."""

    def __init__(
        self,
        *,
        num_masks: int,
        pool_size: int = 14,
        channels: int = 256,
        hidden: int = 1024,
        initial_values: str = "he",
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the layers.

        Args:
            num_masks: number of masks of a region.
            pool_size: S, even.
            channels: of the convolution.
            hidden: of the fully connected layers.
            initial_values: a key of `INITIAL_VALUES`.
            feature_dtype: dtype of the convolutions; the logits are float32.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.num_masks, self.side, initial = num_masks, pool_size // 2, INITIAL_VALUES[initial_values]
        common: dict[str, Any] = {"padding": "valid", "feature_dtype": feature_dtype}
        connected: dict[str, Any] = {**common, "kernel_initializer": initial.fully_connected}
        start = START[0]
        self.hidden_layers = [
            ConvNorm(Convolution(channels, 2, strides=2, name=f"{start}_conv", **common)),
            ConvNorm(Convolution(hidden, self.side, name=f"{start}_fc1", **connected)),
            ConvNorm(Convolution(hidden, 1, name=f"{start}_fc2", **connected)),
        ]
        self.logits = Convolution(
            num_masks * self.side**2, 1, kernel_initializer=initial.mask_logits, name=start, **common
        )

    def build(self, input_shape: Shape) -> None:
        """Creates the weights; only the channels of `input_shape` count."""
        channels = input_shape[-1]
        for layer in self.hidden_layers:
            layer.build((None, None, None, channels))
            channels = layer.conv.filters
        self.logits.build((None, None, None, channels))

    def call(self, regions: Tensor) -> Tensor:
        """Computes coarse mask logits `[P, M, M, num_masks]` float32 from features `[P, S, S, F]`."""
        hidden = regions
        for layer in self.hidden_layers:
            hidden = layer(hidden)
        return ops.reshape(ops.cast(self.logits(hidden), "float32"), (-1, self.side, self.side, self.num_masks))


class PointHead(Float32Layer):
    """Fully connected layers that compute masks at one point from its features and its coarse logits."""

    def __init__(
        self,
        *,
        num_masks: int,
        channels: int = 256,
        initial_values: str = "he",
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the layers.

        Args:
            num_masks: number of masks of a region.
            channels: of the hidden layers.
            initial_values: a key of `INITIAL_VALUES`.
            feature_dtype: dtype of the layers; the logits are float32.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.num_masks, self.feature_dtype, start = num_masks, feature_dtype, START[1]
        self.hidden_layers = [
            ConvNorm(Convolution(channels, 1, feature_dtype=feature_dtype, name=f"{start}_fc{number}"))
            for number in range(1, POINT_LAYERS + 1)
        ]
        self.logits = Convolution(
            num_masks,
            1,
            kernel_initializer=INITIAL_VALUES[initial_values].mask_logits,
            feature_dtype=feature_dtype,
            name=start,
        )

    def build(self, input_shape: Shape) -> None:
        """Creates the weights; only the channels of `input_shape`, those of the fine features, count."""
        channels = input_shape[-1]
        for layer in self.hidden_layers:
            layer.build((None, None, None, channels + self.num_masks))
            channels = layer.conv.filters
        self.logits.build((None, None, None, channels + self.num_masks))

    def call(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Computes the logits of points.

        Args:
            fine: `[P, K, F]`, features at the points.
            coarse: `[P, K, num_masks]` float32, coarse logits at the points, an input of every layer.

        Returns:
            `[P, K, num_masks]` float32.
        """
        coarse = ops.cast(coarse, self.feature_dtype)[:, :, None]  # [P, K, 1, num_masks], for 1x1 convolutions
        hidden = ops.cast(fine, self.feature_dtype)[:, :, None]
        for layer in self.hidden_layers:
            hidden = layer(ops.concatenate([hidden, coarse], axis=-1))
        return ops.cast(self.logits(ops.concatenate([hidden, coarse], axis=-1)), "float32")[:, :, 0]


class PointRendNetwork(Float32Layer):
    """PointRend's two networks; a call computes coarse masks.

    Attributes:
        class_layers: names of the layers whose shapes depend on the classes.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        pool_size: int = 14,
        initial_values: str = "he",
        class_agnostic: bool = False,
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the layers.

        Args:
            num_classes: with background.
            pool_size: S, side of a region's features in cells, even.
            initial_values: a key of `INITIAL_VALUES`.
            class_agnostic: whether a region has one mask for all classes.
            feature_dtype: dtype of the convolutions; the logits are float32.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.num_classes, self.class_agnostic, self.pool_size = num_classes, class_agnostic, pool_size
        common: dict[str, Any] = {
            "num_masks": 1 if class_agnostic else num_classes,
            "initial_values": initial_values,
            "feature_dtype": feature_dtype,
        }
        self.coarse = CoarseHead(pool_size=pool_size, **common)
        self.point = PointHead(**common)

    @property
    def class_layers(self) -> tuple[str, ...]:
        """The names of the layers whose shapes depend on the classes: none with one mask for all."""
        if self.class_agnostic:
            return ()
        coarse, point = START
        return (coarse, *(f"{point}_fc{number}" for number in range(1, POINT_LAYERS + 1)), point)

    def build(self, input_shape: Shape) -> None:
        """Creates the weights; only the channels of `input_shape` count."""
        self.coarse.build(input_shape)
        self.point.build(input_shape)

    def call(self, regions: Tensor, training: bool = False) -> Tensor:
        """Computes coarse mask logits.

        Args:
            regions: `[P, S, S, F]`, at least one region.
            training: not used: the network has no batch norm.

        Returns:
            `[P, M, M, C]` float32, or `[P, M, M, 1]` of one mask for all classes.
        """
        return self.coarse(regions)

    def at(self, fine: Tensor, coarse: Tensor, places: Tensor) -> Tensor:
        """Computes mask logits at points.

        Args:
            fine: `[P, K, F]`, features at the points.
            coarse: `[P, M, M, C]` float32, the coarse logits of the regions; 1 for C of one mask for all classes.
            places: `[P, K, 2]` float32, (x, y) in shares of the region's sides.

        Returns:
            `[P, K, C]` float32; 1 for C of one mask for all classes.
        """
        return self.point(fine, points.read_maps(coarse, places))
