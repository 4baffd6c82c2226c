"""How far our numbers may lie from torchvision's, and matching of detections.

A gate is several times the noise: the largest difference that oneDNN off or float64 makes in the reference itself.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tests.fidelity import gates
from tests.fidelity.gates import Gate, Result

EXACT = gates.EXACT
PIXELS = Gate(5e-6, "largest difference", "inputs of scale 3 in float32")
FEATURES = Gate(5e-4, "largest difference", "noise 8e-6, with float64 up to 1.2e-4, on maps of scale 2 to 4")
RPN = Gate(5e-4, "largest difference", "noise 1.2e-5 on logits of scale 3.5")
PROPOSALS = Gate(0.01, "share not within 0.1 pixels of any", "noise 0.02 pixels; ties in score swap or drop a few")
HEAD = Gate(2e-2, "largest difference", "noise 9e-4, with float64 up to 8e-3, on class logits of scale 26 to 57")
MASK_LOGITS = Gate(2e-2, "largest difference", "as for the box head")
SCORES = Gate(5e-3, "largest difference", "noise 1e-3")
BOXES = Gate(0.05, "pixels", "noise 3.1e-3 pixels")
MASKS = Gate(0.01, "1 - smallest IoU", "noise 0.003")

NEAR = 0.1  # pixels: how close a proposal must lie to be found again


class Found(NamedTuple):
    """Detections of one image, in any order.

    Attributes:
        boxes: `[N, 4]`.
        class_ids: `[N]`.
        scores: `[N]`.
        masks: `[N, H, W]` bool; None where they are not compared.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    masks: np.ndarray | None = None


def detections(got: Found, expected: Found) -> Iterator[Result]:
    """Compares detections pair by pair; close scores may exchange neighbours, so a pair is of one class and nearest."""
    pairs = matched(got, expected)
    yield gates.close("number", len(got.boxes), len(expected.boxes), EXACT)
    yield gates.close("detections of the same class and place", len(pairs), len(expected.boxes), EXACT)
    ours, theirs = (list(column) for column in zip(*pairs, strict=True)) if pairs else ([], [])
    yield gates.close("scores", got.scores[ours], expected.scores[theirs], SCORES)
    yield gates.close("boxes", got.boxes[ours], expected.boxes[theirs], BOXES)
    if got.masks is not None and expected.masks is not None:
        yield gates.overlap("masks", got.masks[ours], expected.masks[theirs], MASKS)


def matched(got: Found, expected: Found) -> list[tuple[int, int]]:
    """Pairs each expected detection with the nearest free one of its class within ten times the gate of boxes."""
    free = set(range(len(got.boxes)))
    pairs = []
    for index, box in enumerate(expected.boxes):
        same = [other for other in free if got.class_ids[other] == expected.class_ids[index]]
        nearest = min(same, key=lambda other: np.abs(got.boxes[other] - box).max(), default=None)
        if nearest is not None and np.abs(got.boxes[nearest] - box).max() <= 10 * BOXES.limit:
            free.remove(nearest)
            pairs.append((nearest, index))
    return pairs
