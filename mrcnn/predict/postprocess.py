"""Converts the model's raw output for one image to detections in pixels of that image.

Shape letters: D output slots, N detections, M mask side, H W the image.
Source: Matterport's `unmold_detections`, with an absolute mask threshold and unrounded boxes, as in the paper, unless
`OutputRules` set other values. A detection with an empty mask is dropped; the original crashed on it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mrcnn.data import resize
from mrcnn.data.resize import ResizePlan
from mrcnn.fields import arrays, extras
from mrcnn.fields.table import Fields
from mrcnn.ops import mask_paste
from mrcnn.predict import compact, semantic
from mrcnn.structures import SEMANTIC, CompactDetections, CroppedMask, Detections, OutputRules, RawDetections

DEFAULT_RULES = OutputRules()


def to_original(
    raw: RawDetections,
    plan: ResizePlan,
    *,
    image_size: tuple[int, int],
    class_names: Sequence[str],
    rules: OutputRules = DEFAULT_RULES,
) -> Detections:
    """Converts raw output to detections with masks of the image's size; see `with_slots`."""
    return compact.to_dense(to_compact(raw, plan, image_size=image_size, class_names=class_names, rules=rules))


def to_compact(
    raw: RawDetections,
    plan: ResizePlan,
    *,
    image_size: tuple[int, int],
    class_names: Sequence[str],
    rules: OutputRules = DEFAULT_RULES,
) -> CompactDetections:
    """Converts raw output to compact detections; see `with_slots`."""
    return with_slots(raw, plan, image_size=image_size, class_names=class_names, rules=rules)[0]


def with_slots(
    raw: RawDetections,
    plan: ResizePlan,
    *,
    image_size: tuple[int, int],
    class_names: Sequence[str],
    rules: OutputRules = DEFAULT_RULES,
) -> tuple[CompactDetections, np.ndarray]:
    """Converts raw output to compact detections and their output slots.

    Args:
        raw: NumPy fields of ONE image, without the batch axis: boxes `[D, 4]`, class_ids `[D]`, scores `[D]`, valid
            `[D]`, masks `[D, M, M]`, extras `[D, ...]`, maps without it too.
        plan: how the image was resized and padded to the model input.
        image_size: H and W.
        class_names: name of each class id, the background first.
        rules: how boxes are rounded and masks resized.

    Returns:
        found: detections by descending score; boxes are clipped to the image; those without area or with an empty
            mask are dropped. Empty in, empty out.
        slots: `[N]` int, the output slot of each detection.
    """
    boxes = resize.boxes_to_original(raw.boxes, plan, rounding=rules.round_boxes)
    placed = raw._replace(boxes=boxes, extras=extras_to_original(raw.extras, plan))
    found, slots = in_image(placed, image_size=image_size, class_names=class_names, rules=rules)
    return found._replace(maps=maps_to_original(raw.maps, plan)), slots


def in_image(
    raw: RawDetections, *, image_size: tuple[int, int], class_names: Sequence[str], rules: OutputRules = DEFAULT_RULES
) -> tuple[CompactDetections, np.ndarray]:
    """Converts raw output whose boxes and extra fields are in pixels of the image; else as `with_slots`.

    Maps are left out.
    """
    height, width = image_size
    slots = np.flatnonzero(raw.valid)
    slots = slots[np.argsort(-raw.scores[slots], kind="stable")]
    boxes = np.clip(raw.boxes[slots], 0, np.array([height, width, height, width], dtype=np.float32))
    cropped = [
        CroppedMask.from_pixels(
            *mask_paste.paste_mask(
                raw.masks[slot],
                box,
                height=height,
                width=width,
                threshold=rules.mask_threshold,
                method=rules.mask_paste,
            )
        )
        for slot, box in zip(slots, boxes, strict=True)
    ]
    keep = [index for index, mask in enumerate(cropped) if mask.area]
    class_ids = raw.class_ids[slots][keep].astype(np.int32)
    found = CompactDetections(
        boxes=boxes[keep],
        class_ids=class_ids,
        class_names=tuple(class_names[class_id] for class_id in class_ids),
        scores=raw.scores[slots][keep].astype(np.float32),
        masks=tuple(cropped[index] for index in keep),
        size=(height, width),
        extras=arrays.take(raw.extras, slots[keep]),
    )
    return found, slots[keep]


def maps_to_original(maps: Mapping[str, np.ndarray], plan: ResizePlan) -> dict[str, np.ndarray]:
    """Converts the maps of the model input to those of the image, `[H, W]` uint8 by name."""
    return {name: semantic.to_original(values, plan) for name, values in maps.items() if name == SEMANTIC}


def extras_to_original(
    values: Mapping[str, np.ndarray], plan: ResizePlan, *, flip: bool = False, fields: Fields | None = None
) -> dict[str, np.ndarray]:
    """Converts extra fields from pixels of the model input to pixels of the image.

    Args:
        values: `[D, ...]` float32 by name.
        plan: how the image was fitted.
        flip: whether the mirror image was fitted, so that left and right are exchanged.
        fields: of the run, by name; needed with `flip`.
    """
    scale_y, scale_x = plan.scale_yx
    shift_y, shift_x = -plan.pad_top / scale_y, -plan.pad_left / scale_x
    if flip:
        scale_x, shift_x = -scale_x, plan.original_hw[1] - shift_x
    return extras.transformed(values, scale=(1 / scale_y, 1 / scale_x), shift=(shift_y, shift_x), fields=fields)
