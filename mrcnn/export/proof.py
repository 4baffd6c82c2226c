"""Verifies that an exported model has the same detections as the live one.

Both models are applied to the same images on the same device, and the differences are measured for each function of the
exported model.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mrcnn.data import resize
from mrcnn.events import EventLog
from mrcnn.export import compare, precision
from mrcnn.export.compare import Comparison, Live
from mrcnn.export.pictures import Picture
from mrcnn.export.precision import Tolerances
from mrcnn.model_folder.read import ModelBundle
from mrcnn.predict.outputs import ImageFunction
from mrcnn.predict.predictor import Predictor

_SUBTASK = "verify"


@dataclass(frozen=True)
class Proof:
    """The comparisons at one score threshold and their evaluation.

    Attributes:
        score_threshold: of both models.
        tolerances: largest allowed differences.
        comparisons: one per image and function.
        device: the device of both models, "CPU" or "GPU".
        precision: the arithmetic of their convolutions, a key of `precision.PLACES`.
    """

    score_threshold: float
    tolerances: Tolerances
    comparisons: tuple[Comparison, ...]
    device: str = "CPU"
    precision: str = "float32"

    @property
    def paired(self) -> int:
        """Number of compared detections; if it is 0, boxes and masks were not verified."""
        return sum(item.paired for item in self.comparisons)

    @property
    def failures(self) -> list[str]:
        """Differences beyond the tolerances, one line each; empty if the models are equivalent."""
        limits, found = self.tolerances, []
        for item in self.comparisons:
            parts = [
                (item.boxes_off > 0, f"{item.boxes_off} boxes, the worst by {item.box_px:.3g} px"),
                (item.score > limits.score, f"scores by {item.score:.3g}"),
                (
                    item.masks_off > 0,
                    f"{item.masks_off} masks, the worst by {item.mask_pixels} pixels or {item.mask_probability:.3g}",
                ),
                (item.fields_off > 0, f"further fields of {item.fields_off} detections"),
                (item.map_share > limits.map_share, f"{item.map_share:.2%} of a map's pixels"),
            ]
            if off := [text for wrong, text in parts if wrong]:
                found.append(f"{item.image} ({item.signature}): {', '.join(off)}")
        rounded = sum(item.rounded for item in self.comparisons)
        if rounded > limits.rounded_share * self.paired:
            found.insert(0, f"{rounded} of {self.paired} boxes are rounded otherwise")
        unpaired = sum(item.unpaired for item in self.comparisons)
        if unpaired > limits.unpaired_share * (self.paired + unpaired):
            worst = max(self.comparisons, key=lambda item: item.unpaired)
            found.insert(0, f"{unpaired} detections only one of the two has, most in {worst.image}")
        return found

    def to_json(self) -> dict[str, Any]:
        """Converts the proof to the form it has in `verify.json`."""
        items = self.comparisons
        return {
            "passed": not self.failures,
            "score_threshold": self.score_threshold,
            "device": self.device,
            "precision": self.precision,
            "tolerances": self.tolerances._asdict(),
            "paired_detections": self.paired,
            "unpaired_detections": sum(item.unpaired for item in items),
            "boxes_rounded_otherwise": sum(item.rounded for item in items),
            "largest_difference": {
                "box_px": max((item.box_px for item in items), default=0.0),
                "score": max((item.score for item in items), default=0.0),
                "mask_probability": max((item.mask_probability for item in items), default=0.0),
                "mask_pixels": max((item.mask_pixels for item in items), default=0),
                "mask_iou_at_least": min((item.mask_iou for item in items), default=1.0),
                "map_share": max((item.map_share for item in items), default=0.0),
            },
            "failures": self.failures,
            "comparisons": [asdict(item) for item in items],
        }


def prove(
    predictor: Predictor,
    exported: Mapping[str, ImageFunction],
    pictures: Collection[Picture],
    *,
    log: EventLog,
    tolerances: Tolerances | None = None,
) -> Proof:
    """Compares an exported model with the live model that it was written from.

    Args:
        predictor: the live model.
        exported: the exported model's functions of an image by name, see `Format.open`.
        pictures: the images to compare on.
        log: receives the progress.
        tolerances: largest allowed differences; None uses those of the arithmetic in use.
    """
    config = predictor.bundle.config
    arithmetic = precision.in_use(predictor.bundle.model.compute_dtype)
    tolerances = tolerances or precision.tolerances(
        arithmetic, image_resize=config.image_resize, refines_cells=config.refines_cells
    )
    comparisons = []
    for name, image in log.track(pictures, _SUBTASK):
        found, probabilities = predictor.predict_probabilities(image)
        live = Live(found, probabilities, predictor.bundle.output_rules)
        for signature, function in exported.items():
            comparisons.append(
                compare.compare(
                    live,
                    function(image),
                    name=name,
                    signature=signature,
                    score_threshold=config.score_threshold,
                    most=config.detections_per_image,
                    tolerances=tolerances,
                    rounding_px=_rounding_px(predictor.bundle, image.shape),
                )
            )
    return Proof(
        config.score_threshold, tolerances, tuple(comparisons), device=precision.device(), precision=arithmetic
    )


def _rounding_px(bundle: ModelBundle, shape: tuple[int, ...]) -> float:
    """Computes how far an edge moves in the image if rounded to the other side.

    Returns:
        Pixels of the image; 0 for a model that does not round boxes.
    """
    if bundle.config.round_boxes == "never":
        return 0.0
    if bundle.config.round_boxes == "at_end":
        return 1.0
    size = bundle.input_size
    plan = resize.resize_plan(
        shape[0], shape[1], min_dim=size.min_dim, max_dim=size.max_dim, fit=bundle.config.image_fit
    )
    return float(np.ceil(1.0 / min(plan.scale_yx)))  # one pixel of the model input; truncation adds less than a pixel
