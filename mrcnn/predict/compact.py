"""Operations on compact detections, which store each mask as a crop of its bounding box."""

from collections.abc import Iterable, Sequence

import numpy as np

from mrcnn.fields import arrays
from mrcnn.structures import CompactDetections, CroppedMask, Detections


def empty(size: tuple[int, int]) -> CompactDetections:
    """Makes an empty set of detections for an image of height and width `size`."""
    return CompactDetections(
        boxes=np.zeros((0, 4), np.float32),
        class_ids=np.zeros(0, np.int32),
        class_names=(),
        scores=np.zeros(0, np.float32),
        masks=(),
        size=(size[0], size[1]),
    )


def from_dense(detections: Detections) -> CompactDetections:
    """Crops each mask to its bounding box and drops detections with empty masks."""
    masks = tuple(map(CroppedMask.from_pixels, detections.masks))
    height, width = detections.masks.shape[1:]
    found = CompactDetections(**{**detections._asdict(), "masks": masks}, size=(height, width))
    kept = [index for index, mask in enumerate(masks) if mask.area]
    return found if len(kept) == len(masks) else take(found, kept)


def to_dense(found: CompactDetections) -> Detections:
    """Converts cropped masks to masks of the image's size."""
    canvases = np.zeros((len(found.masks), *found.size), dtype=bool)
    for canvas, mask in zip(canvases, found.masks, strict=True):
        y1, x1, y2, x2 = mask.box
        canvas[y1:y2, x1:x2] = mask.pixels
    return Detections(
        boxes=found.boxes,
        class_ids=found.class_ids,
        class_names=found.class_names,
        scores=found.scores,
        masks=canvases,
        extras=found.extras,
        maps=found.maps,
    )


def take(found: CompactDetections, indices: Iterable[int]) -> CompactDetections:
    """Selects detections by index, in the order of the indices."""
    kept = np.fromiter(indices, np.int64)
    return CompactDetections(
        boxes=found.boxes[kept],
        class_ids=found.class_ids[kept],
        class_names=tuple(found.class_names[index] for index in kept),
        scores=found.scores[kept],
        masks=tuple(found.masks[index] for index in kept),
        size=found.size,
        extras=arrays.take(found.extras, kept),
        maps=found.maps,
    )


def best_first(found: CompactDetections) -> CompactDetections:
    """Sorts detections by descending score; the sort is stable."""
    return take(found, np.argsort(-found.scores, kind="stable"))


def concatenate(parts: Sequence[CompactDetections], *, size: tuple[int, int]) -> CompactDetections:
    """Concatenates sets of detections of one image.

    Args:
        parts: sets of detections in pixels of the same image.
        size: height and width of the image.

    Returns:
        All detections, in the order of `parts`, with the maps of the first. Empty in, empty out.
    """
    if not parts:
        return empty(size)
    return CompactDetections(
        boxes=np.concatenate([part.boxes for part in parts]),
        class_ids=np.concatenate([part.class_ids for part in parts]),
        class_names=tuple(name for part in parts for name in part.class_names),
        scores=np.concatenate([part.scores for part in parts]),
        masks=tuple(mask for part in parts for mask in part.masks),
        size=(size[0], size[1]),
        extras=arrays.concatenate([part.extras for part in parts]),
        maps=parts[0].maps,
    )
