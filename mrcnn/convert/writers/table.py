"""The table of the label formats that are written.

A further format is one line of `WRITERS`.
"""

from collections.abc import Callable
from typing import NamedTuple

from mrcnn.convert.writers.coco import CocoWriter
from mrcnn.convert.writers.cvat import CvatWriter
from mrcnn.convert.writers.labelme import LabelmeWriter
from mrcnn.convert.writers.record import Setup, Writer
from mrcnn.convert.writers.yolo import YoloWriter


class Format(NamedTuple):
    """One format that is written.

    Attributes:
        what: what is written, for the help text.
        open: makes the writer.
        has_stems: whether the annotation file of an image has its name with another suffix, so that two images must
            differ in more than the suffix.
    """

    what: str
    open: Callable[[Setup], Writer]
    has_stems: bool = False


WRITERS: dict[str, Format] = {
    "coco": Format("COCO instance JSON, a file for each split", CocoWriter),
    "yolo": Format("YOLO segmentation labels with data.yaml", YoloWriter, has_stems=True),
    "labelme": Format("labelme JSON, a file beside each image", LabelmeWriter, has_stems=True),
    "cvat": Format("CVAT for images 1.1, annotations.xml", CvatWriter),
}
