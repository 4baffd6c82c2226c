"""Average precision of the exported model and the live one, on the same data with labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mrcnn.evaluate import run as evaluating
from mrcnn.events import EventLog
from mrcnn.predict.sources import Source
from mrcnn.predict.staged import AnyPredictor

MEASURES = ("box_ap", "mask_ap", "keypoint_ap")
EQUAL = 0.002  # largest difference of an AP of 0..1 with equal weights, on many images
EQUAL_IMAGES = (
    0.5  # divided by the number of images it is that on few ones, where one borderline detection moves AP more
)
MOST_LOST = 0.01  # AP that reduced weights may lose and still be recommended


@dataclass(frozen=True)
class Scores:
    """AP of both models at the exported model's score threshold.

    Attributes:
        live: AP by measure, 0..1.
        exported: the same of the exported model.
        images: number of images.
        score_threshold: of both models; AP that counts weaker detections is higher.
        reduced: whether the exported model has reduced weights, which may change AP.
    """

    live: Mapping[str, float]
    exported: Mapping[str, float]
    images: int
    score_threshold: float
    reduced: bool = False

    @property
    def lost(self) -> dict[str, float]:
        """AP of the live model minus that of the exported model, by measure."""
        return {name: value - self.exported[name] for name, value in self.live.items()}

    @property
    def failures(self) -> list[str]:
        """Differences beyond the tolerance, one line each; none with reduced weights."""
        if self.reduced:
            return []
        most = max(EQUAL, EQUAL_IMAGES / max(self.images, 1))
        return [f"{name} differs by {lost:.4f}" for name, lost in self.lost.items() if abs(lost) > most]

    @property
    def recommended(self) -> bool:
        """Whether no measure lost more than `MOST_LOST`."""
        return all(lost <= MOST_LOST for lost in self.lost.values())

    def to_json(self) -> dict[str, Any]:
        """Converts the measures to the form that they have in `verify.json`."""
        return {
            "images": self.images,
            "score_threshold": self.score_threshold,
            "live": dict(self.live),
            "exported": dict(self.exported),
            "lost": self.lost,
            "recommended": self.recommended,
        }


def measure(
    live: AnyPredictor,
    exported: AnyPredictor,
    source: Source,
    *,
    neutral: str | None,
    log: EventLog,
    reduced: bool = False,
) -> Scores:
    """Evaluates both models.

    Args:
        live: the live model.
        exported: the exported file in its runtime.
        source: the data with labels.
        neutral: as for `evaluate.run.evaluate`.
        log: as for `evaluate.run.evaluate`.
        reduced: as in `Scores`.

    Raises:
        UserError: as `evaluate.run.evaluate`.
    """
    own, other = (evaluating.evaluate(predictor, source, neutral=neutral, log=log) for predictor in (live, exported))
    names = [name for name in MEASURES if own.get(name) is not None and other.get(name) is not None]
    return Scores(
        {name: float(own[name]) for name in names},
        {name: float(other[name]) for name in names},
        images=int(own["images"]),
        score_threshold=float(exported.facts.choices.score_threshold),
        reduced=reduced,
    )
