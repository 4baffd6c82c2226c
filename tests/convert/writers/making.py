"""Masks of odd shapes, a project with them, and what a reader of ours finds in written data."""

from pathlib import PurePosixPath

import cv2
import numpy as np
from PIL import Image

from mrcnn.convert.writers.record import Instance, Losses, Setup
from mrcnn.data import rasterize
from mrcnn.data.sources import table
from mrcnn.data.sources.samples import make_sample
from mrcnn.data.sources.source import DataPaths
from mrcnn.images import image_header
from mrcnn.project.annotation import CROWD_TAG, Annotation, Label, Tag
from mrcnn.project.geometry import Bitmap
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta
from mrcnn.project.writer import ProjectWriter

HEIGHT, WIDTH = 40, 60
QUARTER_TURN = 6  # EXIF: the upright image is the stored one turned clockwise


def boxes(*places, height=HEIGHT, width=WIDTH):
    """Draws rectangles (y1, x1, y2, x2), ends exclusive, on a canvas."""
    canvas = np.zeros((height, width), bool)
    for y1, x1, y2, x2 in places:
        canvas[y1:y2, x1:x2] = True
    return canvas


def hole():
    """Draws 10 x 10 pixels without 3 x 3 inside."""
    canvas = boxes((5, 10, 15, 20))
    canvas[8:11, 13:16] = False
    return canvas


def disc(y=20, x=30, radius=12.3):
    """Draws a disc."""
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


SHAPES = {
    "square": boxes((5, 10, 15, 20)),
    "hole": hole(),
    "two parts": boxes((2, 30, 6, 34), (8, 36, 12, 44)),
    "hole and part": hole() | boxes((20, 3, 23, 9)),
    "pixel": boxes((20, 5, 21, 6)),
    "corner pixel": boxes((39, 59, 40, 60)),
    "border": boxes((0, 55, 40, 60), (0, 0, 2, 60)),
    "all": boxes((0, 0, 40, 60)),
    "line": boxes((30, 0, 31, 60)),
    "touching corners": boxes((10, 10, 12, 12), (12, 12, 14, 14)),
    "open corner": boxes((10, 10, 13, 13)) & ~boxes((11, 11, 12, 12), (12, 12, 13, 13)),
    "disc": disc(),
    "slope": np.tril(np.ones((HEIGHT, WIDTH), bool), -2) & boxes((4, 0, 38, 30)),
    "noise": np.random.default_rng(3).random((HEIGHT, WIDTH)) < 0.4,
}


def cropped(canvas, title="cat", **more):
    """Makes an object of a canvas."""
    rows, columns = np.flatnonzero(canvas.any(axis=1)), np.flatnonzero(canvas.any(axis=0))
    mask = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Instance(title, mask, (int(rows[0]), int(columns[0])), **more)


def setup(folder, *titles, **more):
    """Makes a setup of a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return Setup(folder, categories={title: {} for title in titles or ("cat", "dog")}, losses=Losses(), **more)


def label(canvas, title="cat", *tags, **extra):
    """Makes a label of a project."""
    return Label(title, Bitmap.from_canvas(canvas), tuple(tags), extra)


def photograph(path, *, height=HEIGHT, width=WIDTH, orientation=1):
    """Writes an image, as stored of that size; returns its path."""
    exif = Image.Exif()
    exif[image_header.EXIF_ORIENTATION] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path, exif=exif)
    return path


def project(root, images, *, titles=("cat", "dog")):
    """Writes a project of (data set, name, split or None, labels) with images of one size."""
    picture = photograph(root.with_name(f"{root.name}_picture") / "a.png")
    meta = ProjectMeta(tuple(map(ClassMeta, titles)), (*map(TagMeta, ("train", "val", "test", CROWD_TAG)),))
    with ProjectWriter(root, meta) as writer:
        for dataset, name, split, labels in images:
            tags = (Tag(split),) if split else ()
            writer.add(dataset, name, picture, annotation=Annotation((HEIGHT, WIDTH), tags, tuple(labels)))
    return root


def odd_project(root):
    """Writes a project with all `SHAPES`, a crowd, several data sets and splits, and a name with spaces."""
    labels = [label(canvas, ("cat", "dog")[index % 2]) for index, canvas in enumerate(SHAPES.values())]
    crowd = label(boxes((20, 20, 30, 40)), "dog", Tag(CROWD_TAG))
    images = [
        ("one", "a.png", "train", labels),
        ("one/two three", "a photo.b.png", "val", [labels[1], crowd]),
        ("one/two three", "empty.png", "train", []),
        ("last", "c.png", "test", labels[:3]),
    ]
    return project(root, images)


def found(path, *, titles=("cat", "dog"), **more):
    """Reads data as a training does.

    Returns:
        By name of the image, without folders, (title, is a crowd, canvas) of each object.
    """
    source = table.open_source(DataPaths(path, **more))
    mapping = {"bg": 0, **{title: number for number, title in enumerate(titles, start=1)}}
    images = {}
    for item in source.items:
        annotation = item.read_annotation(source.meta)
        sample = make_sample(item, annotation, class_title_to_idx=mapping)
        height, width = annotation.size_hw
        instances = rasterize.draw_sample(sample, height=height, width=width)
        images[PurePosixPath(item.name).name] = [
            (titles[class_id - 1], bool(ignore), _canvas(mask, box, annotation.size_hw))
            for mask, box, class_id, ignore in zip(
                instances.masks, instances.boxes, instances.class_ids, instances.ignore, strict=True
            )
        ]
    return images


def assert_same(images, others):
    """Checks that images have the same objects in the same order, pixel by pixel."""
    assert images.keys() == others.keys()
    for name, objects in images.items():
        assert [item[:2] for item in objects] == [item[:2] for item in others[name]], name
        for number, (one, two) in enumerate(zip(objects, others[name], strict=True)):
            np.testing.assert_array_equal(one[2], two[2], err_msg=f"{name} object {number}")


def splits_of(path, **more):
    """Reads the tags of splits by name of the image."""
    source = table.open_source(DataPaths(path, **more))
    known = ("train", "val", "test")
    found = {item.name: item.read_annotation(source.meta).tags for item in source.items}
    return {
        PurePosixPath(name).name: [tag.name for tag in tags if tag.name in known]
        for name, tags in sorted(found.items())
    }


def _canvas(mask, box, size_hw):
    canvas = np.zeros(size_hw, bool)
    y1, x1, y2, x2 = (int(side) for side in box)
    canvas[y1:y2, x1:x2] = mask
    return canvas


def draw(rings, *, height=HEIGHT, width=WIDTH):
    """Draws rings by OpenCV, each filled by the even-odd rule."""
    canvas = np.zeros((height, width), np.uint8)
    for ring in rings:
        cv2.fillPoly(canvas, [np.floor(ring).astype(np.int32)], 1)
    return canvas.astype(bool)
