"""Moves compact detections to the coordinates of another image: of the whole image, or of its mirror image."""

from dataclasses import replace

import numpy as np

from mrcnn.fields import extras
from mrcnn.fields.table import Fields
from mrcnn.structures import CompactDetections, CroppedMask


def moved(found: CompactDetections, by: tuple[int, int], *, size: tuple[int, int]) -> CompactDetections:
    """Moves the detections of a crop into the pixel coordinates of the whole image.

    The maps of a crop that is not the whole image are dropped.

    Args:
        found: detections in pixels of the crop.
        by: (y, x) of the crop's first pixel in the image.
        size: height and width of the image.
    """
    y, x = by
    masks = tuple(replace(mask, origin=(mask.origin[0] + y, mask.origin[1] + x)) for mask in found.masks)
    boxes = (found.boxes + np.array([y, x, y, x])).astype(np.float32)
    shifted = extras.transformed(found.extras, scale=(1, 1), shift=by)
    maps = found.maps if found.size == (size[0], size[1]) else {}
    return found._replace(boxes=boxes, masks=masks, size=(size[0], size[1]), extras=shifted, maps=maps)


def mirrored(found: CompactDetections, fields: Fields | None = None) -> CompactDetections:
    """Mirrors detections left to right, as for the horizontally flipped image.

    Args:
        found: the detections.
        fields: their extra fields by name; None for those of `FIELDS`.
    """
    width = found.size[1]
    masks = []
    for mask in found.masks:
        y, _, _, x2 = mask.box
        masks.append(CroppedMask.from_pixels(mask.pixels[:, ::-1], (y, width - x2)))
    y1, x1, y2, x2 = found.boxes.T
    return found._replace(
        boxes=np.stack([y1, width - x2, y2, width - x1], axis=1),
        masks=tuple(masks),
        extras=extras.transformed(found.extras, scale=(1, -1), shift=(0, width), fields=fields),
        maps={name: drawn[:, ::-1] for name, drawn in found.maps.items()},
    )
