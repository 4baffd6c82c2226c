"""Assignment of regions to levels of the feature pyramid."""

from keras import ops

from mrcnn.structures import Tensor

FINEST, COARSEST = 2, 5  # levels that regions are sampled from
_CANONICAL_LEVEL, _CANONICAL_SIDE = 4, 224.0  # a square of so many pixels is sampled from P4


def assign_levels(boxes: Tensor, *, rounding: str = "round", margin: float = 0.0) -> Tensor:
    """Assigns regions to pyramid levels: one level coarser for each doubling of the side.

    Args:
        boxes: `[..., 4]` float, yxyx pixels of the model input.
        rounding: "round" to the nearest level, halves to the even one (Matterport), or "floor" (the paper, detectron2).
        margin: octaves added before rounding; torchvision's 1e-6 moves a box that a rounding error puts below a
            boundary onto it.

    Returns:
        `[...]` int32 in `FINEST`..`COARSEST`; degenerate boxes get `FINEST`.

    Raises:
        ValueError: `rounding` is neither of them.

    Source: Feature Pyramid Networks (2017) equation 1.
    """
    if rounding not in ("round", "floor"):
        raise ValueError(f'rounding must be "round" or "floor", got {rounding!r}')
    boxes = ops.cast(boxes, "float32")
    height = ops.maximum(boxes[..., 2] - boxes[..., 0], 0.0)
    width = ops.maximum(boxes[..., 3] - boxes[..., 1], 0.0)
    size = ops.sqrt(height * width)
    octaves = ops.log2(size / _CANONICAL_SIDE) + margin
    octaves = ops.round(octaves) if rounding == "round" else ops.floor(octaves)
    # log2 of a zero side is -inf: clip before the cast, because casting an infinite float to an integer is undefined
    return ops.cast(ops.clip(_CANONICAL_LEVEL + octaves, FINEST, COARSEST), "int32")
