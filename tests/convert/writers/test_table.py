"""All formats that are written: the same objects read back by our readers, and by other libraries."""

import io

import cv2
import numpy as np
import pytest

from mrcnn.convert import to_format
from mrcnn.convert.writers.record import PARTS
from mrcnn.convert.writers.table import WRITERS
from mrcnn.data.formats.table import READERS
from mrcnn.data.sources.source import DataPaths
from mrcnn.events import JsonLog
from tests.convert.writers import making

CROWDED = "a photo.b.png"


def convert(path, out, kind, **more):
    """Converts data; returns the losses and what is logged."""
    stream = io.StringIO()
    losses, _ = to_format.convert(DataPaths(path, **more), out, log=JsonLog(stream), plan=to_format.Plan(kind))
    return losses, stream.getvalue()


def test_writers_are_formats_that_are_read_and_hold_known_parts():
    assert {*WRITERS} <= {*READERS, "coco"}
    for row in WRITERS.values():
        assert row.what
        assert row.open.HOLDS <= {*PARTS, "crowds", "image tags"}


@pytest.mark.parametrize("kind", ["labelme", "cvat"])
def test_writers_keep_every_pixel(tmp_path, kind):
    project = making.odd_project(tmp_path / "project")
    losses, _ = convert(project, tmp_path / "out", kind)
    before = making.found(project)
    making.assert_same(before, making.found(tmp_path / "out"))
    assert losses.lines() == []
    splits = {"a.png": ["train"], CROWDED: ["val"], "c.png": ["test"], "empty.png": ["train"]}
    assert making.splits_of(tmp_path / "out") == splits == making.splits_of(project)


def test_writers_keep_every_pixel_of_coco(tmp_path):
    project = making.odd_project(tmp_path / "project")
    losses, _ = convert(project, tmp_path / "out", "coco")
    before, after = making.found(project), {}
    for split in ("train", "val", "test"):
        path = tmp_path / "out/annotations" / f"instances_{split}.json"
        after |= making.found(path, images=tmp_path / "out" / split)
    making.assert_same(before, after)
    assert losses.lines() == []


def test_writers_keep_every_pixel_of_yolo_but_crowds(tmp_path):
    project = making.odd_project(tmp_path / "project")
    losses, _ = convert(project, tmp_path / "out", "yolo")
    before = making.found(project)
    before[CROWDED] = [item for item in before[CROWDED] if not item[1]]
    making.assert_same(before, making.found(tmp_path / "out"))
    assert losses.lost == {"dog": 1}
    splits = making.splits_of(project)
    assert making.splits_of(tmp_path / "out") == splits


@pytest.mark.parametrize("kind", WRITERS)
def test_writers_of_images_without_a_split(tmp_path, kind):
    label = making.label(making.SHAPES["square"])
    project = making.project(tmp_path / "project", [("ds", f"{name}.png", None, [label]) for name in "ab"])
    convert(project, tmp_path / "out", kind)
    path = tmp_path / "out"
    more = {"images": path / "images"} if kind == "coco" else {}
    path = path / "annotations/instances.json" if kind == "coco" else path
    making.assert_same(making.found(project), making.found(path, **more))
    assert making.splits_of(path, **more) == {"a.png": [], "b.png": []}


def masks_of(dataset):
    """Lists (title, mask) of each image of supervision's data set by name of the image."""
    return {
        path.rpartition("/")[2]: [
            (dataset.classes[number], mask) for number, mask in zip(found.class_id, found.mask, strict=True)
        ]
        for path, _, found in dataset
        if len(found)
    }


def is_close(ours, theirs):
    """Checks that masks are equal but for a pixel at the outline, which supervision's drawing includes."""
    inner, outer = (step(theirs.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0 for step in (cv2.erode, cv2.dilate))
    return bool((inner <= ours).all() and (ours <= outer).all())


def test_supervision_reads_coco(tmp_path):
    sv = pytest.importorskip("supervision")
    project = making.odd_project(tmp_path / "project")
    convert(project, tmp_path / "out", "coco")
    before = making.found(project)
    data = sv.DetectionDataset.from_coco(
        str(tmp_path / "out/train"), str(tmp_path / "out/annotations/instances_train.json"), force_masks=True
    )
    found = masks_of(data)
    assert [*found] == ["a.png"]
    for name, ours, theirs in zip(making.SHAPES, before["a.png"], found["a.png"], strict=True):
        assert ours[0] == theirs[0]
        # its drawing closes the gap of a pixel, which is not at the outline of what it draws
        assert name == "open corner" or is_close(ours[2], theirs[1]), name


def test_supervision_reads_yolo(tmp_path):
    sv = pytest.importorskip("supervision")
    labels = [making.label(making.SHAPES[name], "dog") for name in ("square", "disc", "slope", "border")]
    images = [("ds", f"{name}.png", name, labels) for name in ("train", "val")]
    convert(making.project(tmp_path / "project", images), tmp_path / "out", "yolo")
    theirs = sv.DetectionDataset.from_yolo(
        *(str(tmp_path / "out" / name / "train") for name in ("images", "labels")),
        str(tmp_path / "out/data.yaml"),
        force_masks=True,
    )
    found = masks_of(theirs)["train.png"]
    assert [title for title, _ in found] == ["dog"] * 4
    for label, (_, mask) in zip(labels, found, strict=True):
        drawn = label.geometry.to_mask(making.HEIGHT, making.WIDTH)
        canvas = np.zeros((making.HEIGHT, making.WIDTH), bool)
        (height, width), (y, x) = drawn[0].shape, drawn[1]
        canvas[y : y + height, x : x + width] = drawn[0]
        assert is_close(canvas, mask)


def test_supervision_reads_labelme(tmp_path):
    sv = pytest.importorskip("supervision")
    labels = [making.label(making.SHAPES[name], "dog") for name in ("square", "two parts")]
    convert(making.project(tmp_path / "project", [("ds", "a.png", None, labels)]), tmp_path / "out", "labelme")
    theirs = sv.DetectionDataset.from_labelme(str(tmp_path / "out"), str(tmp_path / "out"))
    found = masks_of(theirs)["a.png"]
    assert [title for title, _ in found] == ["dog", "dog"]  # shapes of one group are one object there too
    assert is_close(making.SHAPES["square"], found[0][1])
    assert is_close(making.SHAPES["two parts"], found[1][1])
