"""Images and labels that the tests of several formats make and read."""

import json

import cv2
import numpy as np

from mrcnn.data.formats import table
from mrcnn.data.formats.record import Job

HEIGHT, WIDTH = 40, 60
SQUARE = [[10, 5], [20, 5], [20, 15], [10, 15]]  # 10 x 10 pixels by COCO's mask code
TRIANGLE = [[30, 10], [50, 10], [30, 30]]


def image(path, *, height=HEIGHT, width=WIDTH):
    """Writes a grey image; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))
    return path


def write(path, content):
    """Writes a text or JSON; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def read(kind, path, **options):
    """Reads data; returns its images and the report."""
    job = Job(path, **options)
    return table.read(kind, job), job.report


def drawn(label, *, height=HEIGHT, width=WIDTH):
    """Draws an object on a canvas of the image, bool."""
    canvas = np.zeros((height, width), bool)
    mask, (y, x) = label.geometry.to_mask(height, width)
    canvas[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return canvas


def square():
    """Draws `SQUARE`: rows 5 to 14, columns 10 to 19."""
    canvas = np.zeros((HEIGHT, WIDTH), bool)
    canvas[5:15, 10:20] = True
    return canvas


def objects(item):
    """Lists (title, pixels, tags) of an image's objects."""
    return [
        (label.class_title, int(drawn(label).sum()), [(tag.name, tag.value) for tag in label.tags])
        for label in item.annotation.labels
    ]
