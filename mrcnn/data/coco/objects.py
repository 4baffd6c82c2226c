"""Reads the masks of a COCO file's objects, and counts those that cannot be drawn.

Runs of pixels are kept instead of masks: their size grows with an object's height or width, not with its area.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mrcnn.data.coco import masks
from mrcnn.data.coco.annotations import CocoObject
from mrcnn.data.coco.file import CocoImage
from mrcnn.data.tally import Tally
from mrcnn.project import drawing
from mrcnn.project.geometry import Bitmap, Rectangle
from mrcnn.project.shape import Geometry

MOST_DRAWN = 500_000_000  # pixels of the boxes of an image's objects together: seconds to draw, 2 GB to decode
TOO_MUCH = f"the objects before it have more than {MOST_DRAWN} pixels"


class RunLengths(Geometry):
    """The mask of an object as runs of pixels, which are drawn anew each time.

    Attributes:
        box: y1, x1, y2, x2 in pixels of the image, y2 and x2 exclusive.
    """

    shape = "bitmap"

    def __init__(self, runs: masks.Runs, *, height: int):
        """Stores the runs.

        Args:
            runs: at least one, positions in the image counted column by column.
            height: of the image, pixels.
        """
        starts, ends = runs
        dtype = np.uint32 if ends[-1] < 2**32 else np.int64
        self._runs = starts.astype(dtype), ends.astype(dtype)
        self._height = height
        self.box = masks.box_of(runs, height)

    def draw(self) -> drawing.Drawn:
        """Draws the mask, `[h, w]` bool, and its (y1, x1) in the image."""
        return masks.unroll(self._runs, self._height, self.box)

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws the mask.

        The runs fix the size of the image, so the arguments have no effect.
        """
        return self.draw()

    def to_bitmap(self) -> Bitmap:
        """Encodes the mask."""
        mask, (y, x) = self.draw()
        return Bitmap((x, y), mask)

    def to_json(self) -> dict[str, Any]:
        """Writes the mask as a bitmap."""
        return self.to_bitmap().to_json()


def read_objects(image: CocoImage, tally: Tally) -> Iterator[tuple[CocoObject, RunLengths | Rectangle]]:
    """Yields the objects of an image that can be drawn, in order; rectangles for those that are boxes without masks.

    Args:
        image: the image and its objects.
        tally: counts the objects left out, and those of an unusual form.
    """
    drawn = 0
    for item in image.objects:
        if item.corners is not None:
            yield item, Rectangle(np.array(item.corners))
            continue
        where = f"{item.name} of image {image.name}"
        try:
            if drawn > MOST_DRAWN:
                raise masks.Unusable(TOO_MUCH)
            runs, notes = masks.read_runs(item.segmentation, height=image.height, width=image.width)
        except masks.Unusable as error:
            tally.add(f"object left out, {error.reason}", f"{where} ({error.detail})" if error.detail else where)
            continue
        geometry = RunLengths(runs, height=image.height)
        y1, x1, y2, x2 = geometry.box
        drawn += (y2 - y1) * (x2 - x1)
        for note in notes:
            tally.add(note, where)
        yield item, geometry
