"""Default values of the model's conventions, and those of two older code bases.

A convention is a field of `MatterportConfig`. `compatibility` sets the defaults of all conventions at once; one that
the config gives overrides it. docs/differences.md describes each convention and its effect.
Source: `matterport` is Mask_RCNN at its last state (2019); `supervisely` is the older code inside the Supervisely
plugin 5.16.
"""

from collections.abc import Mapping
from typing import Any

BETTER: Mapping[str, Any] = {
    "box_normalization": "pixels",
    "anchor_offset": 0.0,
    "roi_align": "aligned",
    "roi_sampling_ratio": 2,
    "roi_add_gt_boxes": True,
    "roi_negatives": "fill",
    "count_unused_rois": False,
    "detach_targets": True,
    "initial_values": "balanced",
    "mask_targets": "soft",
    "box_loss_average": "samples",
    "rpn_delta_std": (1.0, 1.0, 1.0, 1.0),
    "ignore_share": 0.5,
    "pre_nms_topk_scope": "level",
    "pre_nms_topk": 2000,
    "detection_classes": "all",
    "detection_nms_scope": "class",
    "detection_nms_iou_threshold": 0.5,
    "image_resize": "exact",
    "mask_paste": "bilinear",
    "round_boxes": "never",
}
MATTERPORT: Mapping[str, Any] = {
    "box_normalization": "minus_one",
    "anchor_offset": 0.0,
    "roi_align": "crop_and_resize",
    "roi_sampling_ratio": 1,
    "roi_add_gt_boxes": False,
    "roi_negatives": "two_per_object",
    "count_unused_rois": True,
    "detach_targets": False,
    "initial_values": "he",
    "mask_targets": "corners",
    "box_loss_average": "objects",
    "rpn_delta_std": (0.1, 0.1, 0.2, 0.2),
    "ignore_share": None,
    "pre_nms_topk_scope": "pyramid",
    "pre_nms_topk": 6000,
    "detection_classes": "best",
    "detection_nms_scope": "class",
    "detection_nms_iou_threshold": 0.3,
    "image_resize": "truncated",
    "mask_paste": "fading",
    "round_boxes": "at_end",
}
SUPERVISELY: Mapping[str, Any] = {
    **MATTERPORT,
    "box_normalization": "pixels",
    "image_resize": "smoothed",
    "mask_paste": "stretched",
    "round_boxes": "before_nms",
}
CONVENTIONS: Mapping[str | None, Mapping[str, Any]] = {
    None: BETTER,
    "matterport": MATTERPORT,
    "supervisely": SUPERVISELY,
}
RPN_CHANNELS: Mapping[str | None, int] = {None: 256, "matterport": 512, "supervisely": 512}  # a size of the network
# a number whose meaning depends on another setting
PARTNERS = {"roi_align": "roi_sampling_ratio", "pre_nms_topk_scope": "pre_nms_topk"}


def settled(given: Mapping[str, Any]) -> set[str]:
    """Lists the keys that a config's `model` object settles without naming them.

    Args:
        given: the `model` object; its `compatibility` settles all conventions, a setting its partner.
    """
    partners = {partner for name, partner in PARTNERS.items() if name in given}
    return partners | ({"compatibility", *BETTER} if "compatibility" in given else set())


def with_conventions(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fills the conventions and `rpn_channels` where a config's `model` object omits them, by its `compatibility`.

    Args:
        given: the `model` object, unchecked; its values are kept.

    Returns:
        `given` with the implied settings. `roi_align` crop_and_resize also implies `roi_sampling_ratio` 1. An
        unknown `compatibility` implies nothing.
    """
    named = given.get("compatibility")
    known = (named is None or isinstance(named, str)) and named in CONVENTIONS
    implied = {**CONVENTIONS[named], "rpn_channels": RPN_CHANNELS[named]} if known else {}
    result = {**implied, **given}
    if "roi_sampling_ratio" not in given and result.get("roi_align") == "crop_and_resize":
        result["roi_sampling_ratio"] = 1
    return result
