"""Converts one image and its objects to the fixed shapes of `Batch`.

The image is fitted into the model input, the objects fill padded slots, and their masks lie on a fixed grid.
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from mrcnn.data import maps
from mrcnn.data.rasterize import grid_mask
from mrcnn.data.resize import ResizePlan, boxes_to_input, resize_image, resize_plan
from mrcnn.fields import extras
from mrcnn.fields.table import chosen
from mrcnn.project import census
from mrcnn.structures import Batch, Instances


class Shapes(NamedTuple):
    """The fixed sizes of a batch.

    Attributes:
        min_dim: length to which the short side of an image is enlarged, pixels.
        max_dim: longest side of the model input, pixels.
        channels: of the image.
        max_gt_instances: number of slots for objects and regions to ignore, N.
        gt_mask_size: side of a stored mask, S.
        image_resize: the method of `resize_image`.
        shape: of the model input, as for `resize_plan`.
        fit: the rule of `resize_plan`.
        fields: the objects' extra fields in the batch, by name; or only their names.
        maps: names of the maps in the batch.
    """

    min_dim: int
    max_dim: int
    channels: int
    max_gt_instances: int
    gt_mask_size: int
    image_resize: str = "exact"
    shape: str = "square"
    fit: str = "centred"
    fields: Collection[str] = ()
    maps: Collection[str] = ()


def make_example(
    image: np.ndarray,
    instances: Instances,
    *,
    shapes: Shapes,
    image_id: int,
    seed: int,
    input_hw: tuple[int, int] | None = None,
    min_dim: int | None = None,
) -> dict[str, np.ndarray]:
    """Makes the part of a batch that belongs to one image.

    Args:
        image: `[H, W, channels]` uint8.
        instances: its objects and regions to ignore, pixels of the image.
        shapes: the fixed sizes.
        image_id: index of the sample in its split.
        seed: of the random choice where there are more objects than slots; also passed on to the model.
        input_hw: height and width of the model input; None for those of this image alone.
        min_dim: length of the short side instead of that of `shapes`, pixels.

    Returns:
        The fields of `Batch` without the batch axis, then `gt_<name>` of the extra fields and of the maps. Used slots
        come first, in the order of the instances.
    """
    height, width = image.shape[:2]
    plan = resize_plan(
        height,
        width,
        min_dim=min_dim or shapes.min_dim,
        max_dim=shapes.max_dim,
        shape=shapes.shape,
        input_hw=input_hw,
        fit=shapes.fit,
    )
    boxes = boxes_to_input(instances.boxes, plan)
    slots = _choose(boxes, limit=shapes.max_gt_instances, seed=seed)
    count, size = len(slots), shapes.gt_mask_size
    example = empty_example(shapes)
    example["images"] = resize_image(image, plan, method=shapes.image_resize)
    example["windows"] = np.array(plan.window, np.float32)
    example["gt_boxes"][:count] = boxes[slots]
    example["gt_class_ids"][:count] = np.where(instances.ignore, 0, instances.class_ids)[slots]
    for slot, index in enumerate(slots):
        example["gt_masks"][slot] = grid_mask(instances.masks[index], size)
    example["gt_valid"][:count] = ~instances.ignore[slots]
    example["gt_ignore"][:count] = instances.ignore[slots]
    example["neutral"] = _neutral_pixels(instances, plan)
    for name, values in _to_input(instances, plan).items():
        if name in shapes.fields:
            example[f"gt_{name}"][:count] = values[slots]
    for name in shapes.maps:
        example[f"gt_{name}"] = maps.to_input(instances.maps[name], plan)
    example["image_ids"] = np.array(image_id, np.int32)
    example["seeds"] = np.array(seed, np.int32)
    return example


def example_spec(shapes: Shapes) -> dict[str, tuple[tuple[int | None, ...], type]]:
    """Lists shape and dtype of each field of an example.

    The fields of `Batch` come first, in its order, then the extra fields, then the maps.

    The sides of rectangles are None.
    """
    n, size = shapes.max_gt_instances, shapes.gt_mask_size
    side = shapes.max_dim if shapes.shape == "square" else None
    spec = Batch(
        images=((side, side, shapes.channels), np.float32),
        windows=((4,), np.float32),
        gt_boxes=((n, 4), np.float32),
        gt_class_ids=((n,), np.int32),
        gt_masks=((n, size, size), np.uint8),
        gt_valid=((n,), bool),
        gt_ignore=((n,), bool),
        neutral=((side, side), bool),
        image_ids=((), np.int32),
        seeds=((), np.int32),
    )
    further = {f"gt_{name}": ((n, *field.shape), np.float32) for name, field in chosen(shapes.fields).items()}
    drawn = {f"gt_{name}": ((side, side), np.uint8) for name in shapes.maps}
    return {**spec._asdict(), **further, **drawn}


def empty_example(shapes: Shapes) -> dict[str, np.ndarray]:
    """Makes an example without an image: all zeros, and `image_ids` -1.

    The sides of rectangles are 0.
    """
    spec = example_spec(shapes).items()
    example: dict[str, np.ndarray] = {
        name: np.zeros([side or 0 for side in shape], dtype) for name, (shape, dtype) in spec
    }
    return example | {"image_ids": np.array(-1, np.int32)}


def _to_input(instances: Instances, plan: ResizePlan) -> dict[str, np.ndarray]:
    return extras.transformed(instances.extras, scale=plan.scale_yx, shift=(plan.pad_top, plan.pad_left))


def _neutral_pixels(instances: Instances, plan: ResizePlan) -> np.ndarray:
    """Marks the pixels of the model input that a neutral object covers at least partly.

    Returns:
        `[*plan.input_hw]` bool.
    """
    marked = np.zeros(plan.input_hw, bool)
    neutral = np.flatnonzero(instances.ignore & (instances.class_ids == 0))  # a crowd has a class
    if len(neutral):
        covered = np.zeros(plan.original_hw, bool)
        for index in neutral:
            y1, x1, y2, x2 = instances.boxes[index].astype(int)
            covered[y1:y2, x1:x2] |= instances.masks[index]
        y1, x1, y2, x2 = plan.window
        marked[y1:y2, x1:x2] = _any_within(_any_within(covered, y2 - y1).T, x2 - x1).T
    return marked


def _any_within(marked: np.ndarray, rows: int) -> np.ndarray:
    """Scales `[h, w]` bool to `[rows, w]` by a logical or.

    A new row is true where any of the old rows that it covers, even partly, is true.
    """
    edges = np.arange(rows + 1) * marked.shape[0]
    first, behind = edges[:-1] // rows, -(-edges[1:] // rows)
    # `reduceat` returns a row for each pair, and between two pairs one that `[::2]` drops
    pairs = np.stack([first, behind], axis=1).reshape(-1)
    padded = np.concatenate([marked, np.zeros_like(marked[:1])])
    return np.logical_or.reduceat(padded, pairs, axis=0)[::2]


def _choose(boxes: np.ndarray, *, limit: int, seed: int) -> np.ndarray:
    """Chooses at most `limit` objects that are large enough to be visible.

    Returns:
        Increasing indices; a random choice by `seed` where there are more.
    """
    visible = np.flatnonzero(census.seen(boxes))
    if len(visible) <= limit:
        return visible
    return np.sort(np.random.default_rng(seed).choice(visible, limit, replace=False))
