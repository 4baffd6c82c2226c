"""The extra field of labelled points of a mask, from which a mask head can learn in place of a mask.

A value is `[N, 3]`: x and y in pixels of the image, and the label of the pixel: 1 it is of the object, 0 it is
background, -1 there is no point (padding). In a file the points are the keys `point_coords` (x and y of each, indices
of pixels) and `point_labels` of the object, in COCO JSON as in a project. In a project they may also be figures of
shape `point` with the object's `instance`: a point with the tag `background` has label 0, the others have 1.
Source: Cheng, Parkhi and Kirillov (2021), Pointly-Supervised Instance Segmentation; the keys are those of its release.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from mrcnn.config.model import MASK_POINTS
from mrcnn.errors import UserError, counted
from mrcnn.fields.field import Settled
from mrcnn.fields.points import CENTRE, Points, X, Y
from mrcnn.project.annotation import Label
from mrcnn.project.skeletons import Point

COORDS, LABELS = "point_coords", "point_labels"
BACKGROUND_TAG = "background"  # on a figure of shape `point`
OBJECT, BACKGROUND, NONE = 1, 0, -1
_GREEN, _RED = (0, 190, 60), (220, 30, 30)  # RGB
NONE_IN_DATA = (
    "no object of the data has labelled points, which `model.mask_supervision` points needs: objects have them as "
    f"`{COORDS}` and `{LABELS}`, or as figures of shape point; python -m mrcnn convert points draws them from masks"
)


class MaskPoints(Points):
    """Labelled points of a mask.

    Without a number of points, values have as many rows as the object has points. A point that a crop or a rotation
    moves out of the image keeps its label; the mask head leaves it out.
    """

    name = MASK_POINTS
    shapes = ("point",)

    def __init__(self, count: int | None = None):
        """Stores the number of points.

        Args:
            count: N: an object with fewer points is padded, of one with more the first N are used; None leaves it open.
        """
        self.count = count
        self.shape = (count or 0, 3)

    def of_model(self, settings: Any) -> "MaskPoints":
        """Adapts the field to the number of points of a model; see `Field.of_model`."""
        return self if settings is None else MaskPoints(settings)

    def settled(
        self, settings: Any, classes: Sequence[Mapping[str, Any]], *, objects: Iterable[Sequence[Label]] = ()
    ) -> Settled:
        """Counts the points of the objects, and sets their number where the config leaves it open.

        Raises:
            UserError: no object has points.
        """
        numbers = Counter(map(_count, objects))
        most = max(numbers, default=0)
        if not most:
            raise UserError(NONE_IN_DATA)
        count = most if settings is None else settings
        more = sum(times for number, times in numbers.items() if number > count)
        cut = f"; of {counted(more, 'object')} with more, up to {most}, the first {count} are used" if more else ""
        some = numbers.total() - numbers[0]
        remark = f"`model.{MASK_POINTS}` {count}: {some} of {counted(numbers.total(), 'object')} have labelled points"
        return Settled(count, (remark + cut,))

    def from_figures(self, figures: Sequence[Label]) -> np.ndarray:
        """Reads the points of an object's keys, then those of its figures; see `Field.from_figures`.

        Raises:
            UserError: the keys are malformed.
        """
        keys = [self.from_coco(label.extra) for label in figures]
        points = [
            _labelled(label.geometry.points, background=label.has_tag(BACKGROUND_TAG))
            for label in figures
            if isinstance(label.geometry, Point)
        ]
        found = np.concatenate([np.zeros((0, 3), np.float32), *(rows for rows in keys if rows is not None), *points])
        if self.count is None:
            return found
        value = np.tile(np.array([0, 0, NONE], np.float32), (self.count, 1))
        value[: len(found)] = found[: self.count]
        return value

    def to_label(self, label: Label, value: np.ndarray) -> Label:
        """Adds the points to the JSON of the object's label; see `Field.to_label`."""
        return replace(label, extra={**label.extra, **self.to_coco(value)})

    def from_coco(self, annotation: Mapping[str, Any]) -> np.ndarray | None:
        """Reads `point_coords` and `point_labels`; None where there are none. See `Field.from_coco`.

        Returns:
            As many rows as there are points.

        Raises:
            UserError: they are malformed.
        """
        coords, labels = annotation.get(COORDS), annotation.get(LABELS)
        if not coords and not labels:
            return None
        places: np.ndarray
        words: np.ndarray
        try:
            places, words = np.asarray(coords, np.float32), np.asarray(labels, np.float32)
        except (TypeError, ValueError, OverflowError):
            places, words = np.zeros(0, np.float32), np.zeros(0, np.float32)
        if places.shape != (*words.shape, 2) or words.ndim != 1 or not np.isfinite(places).all():
            raise UserError(f"`{COORDS}` must be [x, y] of each of `{LABELS}`, got {coords!r:.60} and {labels!r:.60}")
        if not np.isin(words, (OBJECT, BACKGROUND)).all():
            raise UserError(f"`{LABELS}` must be 1 for the object or 0 for background, got {labels!r:.60}")
        return np.concatenate([places + CENTRE, words[:, None]], axis=1)

    def to_coco(self, value: np.ndarray) -> dict[str, Any]:
        """Writes the points that have a label; see `Field.to_coco`."""
        known = value[value[:, 2] >= BACKGROUND].astype(np.float64)
        places = np.round(known - CENTRE * (X + Y), 2)[:, :2]
        return {COORDS: places.tolist(), LABELS: known[:, 2].astype(int).tolist()}

    def draw(self, picture: np.ndarray, values: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Draws the points that have a label, those of the object green, of the background red; see `Field.draw`."""
        drawn = picture.copy()
        radius = max(2, round(min(picture.shape[:2]) / 200))
        for x, y, word in values.reshape(-1, 3).tolist():
            if word != NONE:
                place = round(x * 16 - 8), round(y * 16 - 8)  # sixteenths of a pixel, from the centre of the first
                cv2.circle(drawn, place, (radius + 1) * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
                cv2.circle(drawn, place, radius * 16, _GREEN if word == OBJECT else _RED, -1, cv2.LINE_AA, 4)
        return drawn


def _labelled(places: np.ndarray, *, background: bool) -> np.ndarray:
    word = np.full((1, 1), BACKGROUND if background else OBJECT, np.float32)
    return np.concatenate([np.asarray(places, np.float32) + CENTRE, word], axis=1)


def _count(figures: Sequence[Label]) -> int:
    """Counts the points of an object; 0 where they are malformed, which the reader of the samples reports."""
    try:
        return len(MaskPoints().from_figures(figures))
    except UserError:
        return 0
