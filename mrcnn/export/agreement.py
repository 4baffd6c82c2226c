"""Measures how far an exported model with reduced weights agrees with the live one.

Weights of 8 bits change detections, so this is no proof of equality: it counts the objects that both models find and
compares them. It needs no labels; what is lost in AP only an evaluation with labels shows.
Shape letters: N detections, H W the image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from mrcnn.structures import Detections

LEAST_IOU = 0.5  # of the boxes of a pair
LEAST_MATCHED = 0.9  # share of the detections that have a partner; less is refused
LEAST_MASK_IOU = 0.85  # mean over the pairs; less is refused
PLACES = 7  # binary places of 8 bits with a sign; see `precision` for what follows for scores


class Limits(NamedTuple):
    """Least agreement of an exported model.

    Attributes:
        matched: share of the detections that have a partner.
        mask_iou: mean IoU of the pairs' masks.
        score: distance from a cut-off within which a detection without a partner does not count.
    """

    matched: float = LEAST_MATCHED
    mask_iou: float = LEAST_MASK_IOU
    score: float = 10.0 * 2.0 ** -(PLACES + 1)


@dataclass(frozen=True)
class ImageAgreement:
    """What both models found in an image.

    Attributes:
        image: name of the image.
        matched: number of pairs: one detection of each model, of one class, whose boxes have an IoU of at least
            `LEAST_IOU`.
        unmatched: number of detections without a partner.
        borderline: number of further ones whose score is almost a cut-off: the threshold, or the last of full lists.
        box_iou: sum of the IoU of the pairs' boxes.
        mask_iou: sum of the IoU of the pairs' masks.
        score: sum of the differences of the pairs' scores.
    """

    image: str
    matched: int
    unmatched: int
    borderline: int
    box_iou: float
    mask_iou: float
    score: float


@dataclass(frozen=True)
class Agreement:
    """The agreement of two models over all images, and its evaluation.

    Attributes:
        weights: kind of the exported model's weights.
        limits: the least agreement.
        images: the measurements.
    """

    weights: str
    limits: Limits
    images: tuple[ImageAgreement, ...]

    @property
    def matched(self) -> int:
        """Number of pairs."""
        return sum(item.matched for item in self.images)

    @property
    def matched_share(self) -> float:
        """Share of the detections of both models that have a partner; 1 if there is none."""
        alone = sum(item.unmatched for item in self.images)
        return 2 * self.matched / (2 * self.matched + alone) if self.matched or alone else 1.0

    def mean(self, name: str) -> float:
        """Averages a sum of `ImageAgreement` over the pairs; 0 without a pair."""
        return sum(getattr(item, name) for item in self.images) / max(self.matched, 1)

    @property
    def failures(self) -> list[str]:
        """What is below the limits, one line each; empty if the export is good enough."""
        found, share, iou = [], self.matched_share, self.mean("mask_iou")
        if share < self.limits.matched:
            found.append(f"{share:.1%} of the detections are found by both models, less than {self.limits.matched:.0%}")
        if self.matched and iou < self.limits.mask_iou:
            found.append(f"their masks have a mean IoU of {iou:.3f}, less than {self.limits.mask_iou:g}")
        return found

    def to_json(self) -> dict[str, Any]:
        """Converts the agreement to the form it has in `verify.json`."""
        return {
            "weights": self.weights,
            "passed": not self.failures,
            "limits": self.limits._asdict(),
            "matched": self.matched,
            "unmatched": sum(item.unmatched for item in self.images),
            "borderline": sum(item.borderline for item in self.images),
            "matched_share": self.matched_share,
            "mean_box_iou": self.mean("box_iou"),
            "mean_mask_iou": self.mean("mask_iou"),
            "mean_score_difference": self.mean("score"),
            "failures": self.failures,
            "images": [asdict(item) for item in self.images],
        }


def agree(
    live: Detections,
    exported: Mapping[str, np.ndarray],
    *,
    name: str,
    score_threshold: float,
    most: int,
    limits: Limits,
) -> ImageAgreement:
    """Pairs the detections of two models in an image and compares the pairs.

    Each live detection, by descending score, is paired with the free one of its class whose box overlaps it most.

    Args:
        live: the live model's detections.
        exported: the other model's, see `outputs.of_detections`.
        name: name of the image.
        score_threshold: the threshold of both models.
        most: largest number of detections of an image; the last score of a full list is a cut-off too.
        limits: its `score` decides what is borderline.
    """
    ious = box_ious(live.boxes, exported["boxes"])
    ious[live.class_ids[:, None] != exported["class_ids"][None]] = 0.0
    pairs: list[tuple[int, int]] = []
    for index in range(len(live.scores)):
        if ious.shape[1] and ious[index].max() >= LEAST_IOU:
            best = int(ious[index].argmax())
            pairs.append((index, best))
            ious[:, best] = np.where(np.arange(len(ious)) == index, ious[:, best], 0.0)
    left, right = (np.array([pair[side] for pair in pairs], int) for side in (0, 1))
    alone = np.concatenate([np.delete(live.scores, left), np.delete(exported["scores"], right)])
    full = len(live.scores) >= most and len(exported["scores"]) >= most
    cutoff = max(score_threshold, min(live.scores.min(), exported["scores"].min()) if full else 0.0)
    borderline = int((alone <= cutoff + limits.score).sum())
    return ImageAgreement(
        image=name,
        matched=len(pairs),
        unmatched=len(alone) - borderline,
        borderline=borderline,
        box_iou=float(ious[left, right].sum()),
        mask_iou=_mask_ious(live.masks, exported["masks"], pairs),
        score=float(np.abs(live.scores[left] - exported["scores"][right]).sum()),
    )


def box_ious(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Computes the IoU of every box with every other; `[N, 4]` and `[P, 4]` to `[N, P]`, 0 for boxes without area."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _mask_ious(first: np.ndarray, second: np.ndarray, pairs: Sequence[tuple[int, int]]) -> float:
    total = 0.0
    for left, right in pairs:
        own, other = first[left], second[right].astype(bool)
        total += int((own & other).sum()) / int((own | other).sum())  # masks are never empty
    return total
