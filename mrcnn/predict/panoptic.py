"""Merges the detections and the semantic map of an image into one segment for each pixel.

Shape letters: N detections, H W the image.
Source: Kirillov et al. (2019), Panoptic Feature Pyramid Networks; detectron2's
`combine_semantic_and_instance_outputs`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.structures import SEMANTIC, CompactDetections, CroppedMask, SemanticRules

VOID = 0  # id of pixels that belong to no segment


class Segment(NamedTuple):
    """One segment of a panoptic segmentation.

    Attributes:
        class_id: of a thing its class id from 1; of stuff its number from 1 in the semantic map.
        is_thing: whether it is a countable object.
        area: its pixels.
        row: of a thing its row among the detections.
        score: of a thing.
    """

    class_id: int
    is_thing: bool
    area: int
    row: int | None = None
    score: float | None = None


class Panoptic(NamedTuple):
    """A panoptic segmentation: no pixel belongs to two segments.

    Attributes:
        ids: `[H, W]` int32: `VOID`, or 1 + the index of the pixel's segment.
        segments: things by descending score, then stuff by class.
    """

    ids: np.ndarray
    segments: tuple[Segment, ...]


def of_detections(found: CompactDetections, rules: SemanticRules) -> Panoptic | None:
    """Merges the detections of an image with its semantic map; None where they have no such map."""
    if SEMANTIC not in found.maps:
        return None
    return merge(found.masks, found.scores, found.class_ids, semantic=found.maps[SEMANTIC], rules=rules)


def merge(
    masks: Sequence[CroppedMask],
    scores: np.ndarray,
    class_ids: np.ndarray,
    *,
    semantic: np.ndarray,
    rules: SemanticRules,
) -> Panoptic:
    """Merges detections and a semantic map.

    Detections are placed from the best to the worst, each on the pixels that are still free. Then each stuff class has
    one segment, of the free pixels that the map assigns to it.

    Args:
        masks: N masks.
        scores: `[N]`.
        class_ids: `[N]`, from 1.
        semantic: `[H, W]` integers, 0 a thing, from 1 stuff.
        rules: which detections and stuff classes are left out.
    """
    ids = np.full(semantic.shape, VOID, np.int32)
    segments: list[Segment] = []
    for row in np.argsort(-np.asarray(scores), kind="stable"):
        mask, score = masks[row], float(scores[row])
        y1, x1, y2, x2 = mask.box
        part, place = mask.pixels, ids[y1:y2, x1:x2]
        free = part & (place == VOID)
        area = int(np.count_nonzero(free))
        if score < rules.score_threshold or not mask.area or mask.area - area > rules.overlap * mask.area:
            continue
        segments.append(Segment(int(class_ids[row]), True, area, int(row), score))
        place[free] = len(segments)
    for number in range(1, len(rules.stuff) + 1):
        stuff = (semantic == number) & (ids == VOID)
        area = int(np.count_nonzero(stuff))
        if area and area >= rules.stuff_area:
            segments.append(Segment(number, False, area))
            ids[stuff] = len(segments)
    return Panoptic(ids, tuple(segments))
