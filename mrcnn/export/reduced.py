"""Exports with reduced weights: checks what is asked for, reduces a written and proven model, and measures it."""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from mrcnn.config.errors import nearest
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.export import agreement
from mrcnn.export import pictures as pictures_of
from mrcnn.export.agreement import Agreement, Limits
from mrcnn.export.exportable import DetectorSettings
from mrcnn.export.formats import table
from mrcnn.export.formats.format import FLOAT32, INT8, Format
from mrcnn.export.pictures import Picture
from mrcnn.predict.outputs import ImageFunction
from mrcnn.predict.predictor import Predictor

MOST_CALIBRATION = 64  # images of which the ranges of values are measured; more take longer and change little
_SUBTASK = "compare"


class Target(NamedTuple):
    """What is exported to.

    Attributes:
        format: name of the format in `table.FORMATS`.
        weights: kind of the weights, one of `Format.weights`.
        calibrate: folder of images for int8, like those that the model will see.
    """

    format: str = table.DEFAULT
    weights: str = FLOAT32
    calibrate: str | Path | None = None


def check(target: Target) -> Format:
    """Finds the format and checks the kind of weights that is asked for.

    Raises:
        UserError: there is no such format, it has no such weights, or the folder is missing or unused.
    """
    chosen = table.find(target.format)
    if target.weights not in chosen.weights:
        others = [name for name, kind in table.FORMATS.items() if target.weights in kind.weights]
        raise UserError(
            f"the format {target.format} has weights of the kind {', '.join(chosen.weights)}, got `{target.weights}`"
            + (f"; --format {' or '.join(others)} has them" if others else nearest(target.weights, chosen.weights))
        )
    if target.weights == INT8 and target.calibrate is None:
        raise UserError("int8 weights need images like those to come, to measure on; name a folder by --calibrate")
    if target.weights != INT8 and target.calibrate is not None:
        raise UserError(f"--calibrate is for int8 weights only, and these are {target.weights}; leave it out")
    return chosen


def reduce(
    chosen: Format,
    folder: Path,
    *,
    weights: str,
    settings: DetectorSettings,
    calibration: Collection[Picture],
    log: EventLog,
) -> None:
    """Reduces the weights of a written model.

    Args:
        chosen: its format.
        folder: its files.
        weights: the kind of weights.
        settings: of the model.
        calibration: the images for int8.
        log: receives the progress.
    """
    log.info(f"reducing the weights to {weights}: this takes up to a few minutes")
    chosen.reduce(folder, weights=weights, images=pictures_of.arrays(calibration), settings=settings)


def measure(
    predictor: Predictor, function: ImageFunction, *, weights: str, pictures: Collection[Picture], log: EventLog
) -> Agreement:
    """Compares a model with reduced weights with the live one.

    Args:
        predictor: the live model.
        function: the other, see `Format.open`.
        weights: its kind of weights.
        pictures: the images to compare on.
        log: receives the progress.
    """
    limits, choices, found = Limits(), predictor.facts.choices, []
    for name, image in log.track(pictures, _SUBTASK):
        [live] = predictor.predict([image])
        item = agreement.agree(
            live,
            function(image),
            name=name,
            score_threshold=choices.score_threshold,
            most=choices.detections_per_image,
            limits=limits,
        )
        found.append(item)
    return Agreement(weights, limits, tuple(found))
