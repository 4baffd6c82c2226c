"""Assignment of regions to levels of the feature pyramid."""

from keras import ops

_CANONICAL_LEVEL = 4  # a region of the canonical size is sampled from P4


def assign_levels(boxes, *, image_area=None, canonical_size=224, min_level=2, max_level=5, rounding="round"):
    """Assigns regions to pyramid levels: one level coarser for each doubling of the side.

    Args:
        boxes: `[..., 4]` float, yxyx.
        image_area: pixels in the model input if `boxes` are fractions of its sides (0..1), None if they are pixels.
        canonical_size: side in pixels of the square that belongs to level 4.
        min_level: the finest level.
        max_level: the coarsest level.
        rounding: "round" to the nearest level, halves to the even one (Matterport), or "floor" (the paper, detectron2).

    Returns:
        `[...]` int32 in `min_level`..`max_level`; degenerate boxes get `min_level`.

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
    if image_area is not None:
        size = size * ops.sqrt(ops.cast(image_area, "float32"))
    octaves = ops.log2(size / float(canonical_size))
    octaves = ops.round(octaves) if rounding == "round" else ops.floor(octaves)
    # log2 of a zero side is -inf: clip before the cast, because casting an infinite float to an integer is undefined
    return ops.cast(ops.clip(_CANONICAL_LEVEL + octaves, min_level, max_level), "int32")
