"""Draws an example of a model card: an image with its annotation beside the same with its detections.

Needs the extra `draw`.
"""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from mrcnn import files
from mrcnn.annotate import draw
from mrcnn.fields.table import Fields
from mrcnn.structures import CompactDetections, Detections, GroundTruth

SIDE = 720  # pixels: the longer side of each of the two pictures
GAP = 12  # pixels between them
WHITE = 255
SUFFIX = ".jpg"


def write_example(
    path: Path,
    image: np.ndarray,
    *,
    truth: GroundTruth,
    found: Detections | CompactDetections,
    class_names: tuple[str, ...],
    class_colors: Mapping[str, str],
    fields: Fields,
) -> None:
    """Draws and writes an example; the write is atomic.

    Args:
        path: the file, a JPEG.
        image: `[H, W, 3]` uint8 RGB.
        truth: its annotation; regions to ignore are not drawn.
        found: the detections to draw.
        class_names: by class id, the background first.
        class_colors: `#RRGGBB` by class name.
        fields: the model's extra fields by name.

    Raises:
        OSError: the file cannot be written.
        ValueError: the image has another shape or dtype.
    """
    labels = _as_detections(truth, class_names)
    annotated = draw.draw(image, labels, class_colors=class_colors, fields=fields, texts=labels.class_names)
    detected = draw.draw(image, found, class_colors=class_colors, fields=fields)
    picture = side_by_side(annotated, detected)
    with files.replaced(path) as partial:
        partial.write_bytes(draw.encode(picture, SUFFIX))


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Scales two pictures of one size to `SIDE` and joins them.

    Args:
        left: `[H, W, 3]` uint8.
        right: the same.

    Returns:
        `[h, w, 3]` uint8: beside each other, or the left one above the other where they are wider than twice as high.
    """
    height, width = left.shape[:2]
    factor = SIDE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    scaled = [cv2.resize(part, size, interpolation=way) for part in (left, right)]
    axis = 0 if width > 2 * height else 1
    gap = np.full((GAP, size[0], 3) if axis == 0 else (size[1], GAP, 3), WHITE, np.uint8)
    return np.concatenate([scaled[0], gap, scaled[1]], axis=axis)


def _as_detections(truth: GroundTruth, class_names: tuple[str, ...]) -> Detections:
    """Converts annotated objects to the record that is drawn."""
    instances = truth.instances
    kept = np.flatnonzero(~instances.ignore)
    masks = np.zeros((len(kept), truth.height, truth.width), bool)
    for canvas, index in zip(masks, kept, strict=True):
        y1, x1, y2, x2 = instances.boxes[index].astype(int)
        canvas[y1:y2, x1:x2] = instances.masks[index]
    return Detections(
        boxes=instances.boxes[kept],
        class_ids=instances.class_ids[kept],
        class_names=tuple(class_names[index] for index in instances.class_ids[kept]),
        scores=np.ones(len(kept), np.float32),
        masks=masks,
        extras={name: values[kept] for name, values in instances.extras.items()},
    )
