"""Verifies that an exported model has the same detections as the live one.

Both models are applied to the same images on the same device, and the differences are measured. The signature for
encoded images gets the image as PNG, which is lossless, so its detections must be the same. A third function also
returns the mask probabilities.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import tensorflow as tf
from skimage import data

from mrcnn.data import resize
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.export import compare, precision
from mrcnn.export.compare import Comparison, Live
from mrcnn.export.precision import Tolerances
from mrcnn.export.signature import ENCODED_SIGNATURE, PROBABILITIES
from mrcnn.model_folder.read import ModelBundle
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor

MAX_IMAGES = 16  # most images of a folder that are used, evenly spread over its sorted names
_SUBTASK = "verify"


class Picture(NamedTuple):
    """An image to compare on: its name and `[H, W, channels]` uint8."""

    name: str
    image: np.ndarray


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
            },
            "failures": self.failures,
            "comparisons": [asdict(item) for item in items],
        }


def prove(
    predictor: Predictor,
    saved_model: str | Path,
    pictures: Sequence[Picture],
    *,
    log: EventLog,
    tolerances: Tolerances | None = None,
) -> Proof:
    """Compares a SavedModel with the live model it was exported from.

    Args:
        predictor: the live model.
        saved_model: folder of the SavedModel.
        pictures: the images to compare on.
        log: receives the progress.
        tolerances: largest allowed differences; None uses those of the arithmetic in use.
    """
    loaded = tf.saved_model.load(str(saved_model))  # kept alive: its signatures do not keep the weights
    config = predictor.bundle.config
    arithmetic = precision.in_use(getattr(predictor.bundle.model, "compute_dtype", "float32"))
    tolerances = tolerances or precision.tolerances(arithmetic, image_resize=config.image_resize)
    functions = {**loaded.signatures, PROBABILITIES: loaded.probabilities}
    comparisons = []
    for name, image in log.track(pictures, _SUBTASK):
        live = Live(*predictor.predict_probabilities(image), predictor.bundle.output_rules)
        for signature, function in sorted(functions.items(), reverse=True):
            exported = {key: value.numpy() for key, value in function(**_inputs(signature, image)).items()}
            comparisons.append(
                compare.compare(
                    live,
                    exported,
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
    plan = resize.resize_plan(shape[0], shape[1], min_dim=size.min_dim, max_dim=size.max_dim)
    return float(np.ceil(1.0 / min(plan.scale_yx)))  # one pixel of the model input; truncation adds less than a pixel


def folder_pictures(
    folder: str | Path, *, channels: int, image_range: int | None = None, log: EventLog
) -> list[Picture]:
    """Reads at most `MAX_IMAGES` images of a folder; reports and skips unreadable ones.

    Args:
        folder: the image folder.
        channels: channel count of the arrays.
        image_range: as for `images.pixels.read_image`.
        log: receives why an image is skipped.

    Raises:
        UserError: the folder does not exist, or has no image that can be read.
    """
    source = sources.open_images(folder)
    count = len(source.entries)
    chosen = [index * count // MAX_IMAGES for index in range(MAX_IMAGES)] if count > MAX_IMAGES else range(count)
    source = replace(source, entries=tuple(source.entries[index] for index in chosen))
    read = sources.read_pictures(
        source, channels=channels, log=log, on_skip=lambda title: None, image_range=image_range
    )
    pictures = [Picture(source.entries[picture.index].title, picture.image) for picture in read]
    if not pictures:
        raise UserError(f"none of the images in {folder} could be read; see the messages before this one")
    return pictures


def bundled_pictures(*, max_dim: int, channels: int) -> list[Picture]:
    """Returns scikit-image's photographs: whole, cropped, and larger than the model input.

    Args:
        max_dim: side of the model input in pixels.
        channels: channel count of the arrays.
    """
    coins, astronaut = data.coins(), data.astronaut()
    large = cv2.resize(astronaut, (max_dim + max_dim // 4, max_dim + max_dim // 2))
    images = {
        "coins": coins,
        "coins, narrow": coins[:, 20:130],
        "astronaut": astronaut,
        "astronaut, wide": astronaut[:150],
        "astronaut, large": large,
    }
    return [Picture(name, _with_channels(image, channels)) for name, image in images.items()]


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    if image.ndim == 3 and channels == 3:
        return image
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.repeat(grey[..., None], channels, axis=2)


def _inputs(signature: str, image: np.ndarray) -> dict[str, tf.Tensor]:
    if signature == ENCODED_SIGNATURE:
        return {ENCODED_SIGNATURE: tf.io.encode_png(image)}
    return {"image": tf.constant(image)}
