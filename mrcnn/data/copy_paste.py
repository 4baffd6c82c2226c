"""Copy-paste augmentation: pastes objects of one training image onto another.

Source: Ghiasi et al. (2021), without their blending, which had little effect there. Different from the paper: the
source image is first resized to fit into the target image, so that objects keep a comparable size.
"""

import cv2
import numpy as np

from mrcnn.data import maps
from mrcnn.data.rasterize import from_masks
from mrcnn.fields import arrays, extras
from mrcnn.structures import Instances


def choose(instances: Instances, *, share: float, rng: np.random.Generator) -> np.ndarray:
    """Chooses objects to copy at random, each with probability `share`.

    Args:
        instances: objects and regions to ignore of the source image.
        share: probability for each object.
        rng: random generator.

    Returns:
        Increasing indices of objects, never of regions to ignore; at least one where there is any object.
    """
    objects = np.flatnonzero(~instances.ignore)
    chosen = objects[rng.random(len(objects)) < share]
    return chosen if len(chosen) or not len(objects) else rng.choice(objects, 1)


def paste_objects(
    image: np.ndarray, instances: Instances, *, source: np.ndarray, source_instances: Instances, chosen: np.ndarray
) -> tuple[np.ndarray, Instances]:
    """Pastes objects of `source` onto `image`, at their position in the resized source.

    Args:
        image: `[H, W, channels]` uint8; left unchanged.
        instances: its objects and regions to ignore.
        source: `[h, w, channels]` uint8 of any size.
        source_instances: its objects.
        chosen: indices of the objects to copy; overlapping ones all keep their full masks.

    Returns:
        The new image, and the objects of `image` without the pixels now covered, followed by the copies. An object
        that is covered entirely is left out, as is a copy that has no pixel at the new size.
    """
    height, width = image.shape[:2]
    factor = min(height / source.shape[0], width / source.shape[1])
    size_hw = (max(1, round(source.shape[0] * factor)), max(1, round(source.shape[1] * factor)))
    sizes = {"source_hw": source.shape[:2], "size_hw": size_hw, "canvas_hw": (height, width)}
    masks = [_resized_mask(source_instances, index, **sizes) for index in chosen]
    covered = np.any(masks, axis=0) if masks else np.zeros((height, width), bool)
    shown = image.copy()
    resized = cv2.resize(source, size_hw[::-1], interpolation=cv2.INTER_AREA).reshape(*size_hw, -1)
    rows, columns = np.nonzero(covered)
    shown[rows, columns] = resized[rows, columns]
    pieces = [(_canvas(instances, index, (height, width)) & ~covered) for index in range(len(instances.ignore))]
    class_ids = [*instances.class_ids, *source_instances.class_ids[chosen]]
    ignore = [*instances.ignore, *source_instances.ignore[chosen]]
    scale = (size_hw[0] / source.shape[0], size_hw[1] / source.shape[1])
    copied = extras.transformed(arrays.take(source_instances.extras, chosen), scale=scale, shift=(0, 0))
    both = arrays.concatenate([instances.extras, copied])
    pasted = _tight([*pieces, *masks], class_ids=class_ids, ignore=ignore, further=both)
    return shown, pasted._replace(maps=maps.covered(instances.maps, covered))


def _canvas(instances: Instances, index: int, size_hw: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros(size_hw, bool)
    y1, x1, y2, x2 = instances.boxes[index].astype(int)
    canvas[y1:y2, x1:x2] = instances.masks[index]
    return canvas


def _resized_mask(
    instances: Instances,
    index: int,
    *,
    source_hw: tuple[int, int],
    size_hw: tuple[int, int],
    canvas_hw: tuple[int, int],
) -> np.ndarray:
    whole = _canvas(instances, index, source_hw).view(np.uint8)
    canvas = np.zeros(canvas_hw, bool)
    canvas[: size_hw[0], : size_hw[1]] = cv2.resize(whole, size_hw[::-1], interpolation=cv2.INTER_NEAREST)
    return canvas


def _tight(
    canvases: list[np.ndarray], *, class_ids: list[int], ignore: list[bool], further: dict[str, np.ndarray]
) -> Instances:
    kept, masks, corners = [], [], []
    for index, canvas in enumerate(canvases):
        x, y, width, height = cv2.boundingRect(canvas.view(np.uint8))
        if width:
            kept.append(index)
            masks.append(canvas[y : y + height, x : x + width])
            corners.append((y, x))
    return from_masks(
        masks=masks,
        corners=corners,
        class_ids=[class_ids[index] for index in kept],
        ignore=[ignore[index] for index in kept],
        extras=arrays.take(further, kept),
    )
