"""Selects the regions that train a mask head.

Shape letters: B images, R sampled regions, N slots of objects, Q regions of both kinds.
Source: Birodkar et al. (2021), section 3.2: masks trained on the objects' own boxes generalise to other classes.
"""

from collections.abc import Mapping, Sequence

from keras import ops

from mrcnn.structures import RoiTargets, Tensor

TRAIN_BOXES = ("proposals", "ground_truth", "both")


def training_regions(
    sampled: RoiTargets, batch: Mapping[str, Tensor], *, boxes: str, classes: Sequence[int] | None = None
) -> RoiTargets:
    """Selects the regions of a batch that train masks.

    Args:
        sampled: the box head's sample, `[B, R, ...]`, boxes in pixels of the model input.
        batch: `gt_boxes`, `gt_class_ids` and `gt_valid` are read.
        boxes: `proposals`: the sample; `ground_truth`: the box of each object, whatever was sampled; `both`: first
            the objects' boxes, then the sample.
        classes: class ids whose objects train masks; None for all.

    Returns:
        `[B, Q, ...]`, Q being R, N or N + R. Slots of background, of padding, of ignore regions and of other classes
        have class 0; those of an object's own box have deltas of 0.

    Raises:
        ValueError: `boxes` is not one of `TRAIN_BOXES`.
    """
    if boxes not in TRAIN_BOXES:
        raise ValueError(f"the boxes that train masks must be one of {', '.join(TRAIN_BOXES)}, got {boxes!r}")
    chosen = sampled
    if boxes == "ground_truth":
        chosen = _objects(batch)
    elif boxes == "both":
        pairs = zip(_objects(batch), sampled, strict=True)
        chosen = RoiTargets(*(ops.concatenate([own, other], axis=1) for own, other in pairs))
    if classes is None:
        return chosen
    return chosen._replace(class_ids=ops.where(_is_one_of(chosen.class_ids, classes), chosen.class_ids, 0))


def most_regions(most_sampled: int | None, slots: int, *, boxes: str) -> int | None:
    """Counts the first regions of an image among which all object regions are.

    Args:
        most_sampled: the most object regions of the sample, which come first in it; None where all may be.
        slots: N.
        boxes: as for `training_regions`.

    Returns:
        None where all regions may be those of objects.
    """
    if boxes == "ground_truth":
        return slots
    if boxes == "both" and most_sampled is not None:
        return slots + most_sampled
    return most_sampled


def _objects(batch: Mapping[str, Tensor]) -> RoiTargets:
    """Makes a region of each object's own box."""
    gt_boxes, valid = ops.cast(batch["gt_boxes"], "float32"), batch["gt_valid"]
    class_ids = ops.where(valid, batch["gt_class_ids"], 0)
    return RoiTargets(
        rois=gt_boxes,
        class_ids=class_ids,
        deltas=ops.zeros_like(gt_boxes),
        matched_idx=ops.zeros_like(class_ids) + ops.arange(class_ids.shape[1], dtype="int32"),
        valid=valid,
    )


def _is_one_of(class_ids: Tensor, classes: Sequence[int]) -> Tensor:
    if not classes:
        return ops.zeros_like(class_ids, dtype="bool")
    return ops.any(class_ids[..., None] == ops.convert_to_tensor(list(classes), dtype="int32"), axis=-1)
