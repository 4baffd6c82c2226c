"""labelme's JSON: the content of files, and the same objects read back."""

import base64
import json

import cv2
import numpy as np
import pytest

from mrcnn.convert.writers import labelme, outlines
from mrcnn.convert.writers.record import Picture
from mrcnn.project.annotation import Tag
from tests.convert.writers import making

SIZE = making.HEIGHT, making.WIDTH


def test_content_of_a_square():
    tags = (Tag("wild"), Tag("age", 3))
    square = making.cropped(making.SHAPES["square"], score=0.5, tags=tags, description="asleep")
    picture = Picture("sub/a b.png", "train", SIZE, (square,), (Tag("rain"), Tag("place", "park")))
    assert labelme.content_of(picture, [square]) == {
        "version": labelme.VERSION,
        "flags": {"rain": True, "place": "park"},
        "shapes": [
            {
                "label": "cat",
                "points": [[10, 5], [20, 5], [20, 15], [10, 15]],
                "group_id": None,
                "description": "asleep",
                "shape_type": "polygon",
                "flags": {"wild": True},
                "attributes": {"age": 3},
                "score": 0.5,
                "mask": None,
            }
        ],
        "imagePath": "a b.png",
        "imageData": None,
        "imageHeight": 40,
        "imageWidth": 60,
    }


def test_content_groups_the_parts_of_each_object():
    names = ("two parts", "square", "two parts")
    items = [making.cropped(making.SHAPES[name]) for name in names]
    shapes = labelme.content_of(Picture("a.png", None, SIZE), items)["shapes"]
    assert [shape["group_id"] for shape in shapes] == [1, 1, None, 2, 2]


def test_content_without_objects():
    assert labelme.content_of(Picture("a.png", None, SIZE), [])["shapes"] == []


@pytest.mark.parametrize("name", ["hole", "noise"])
def test_shapes_of_an_object_with_holes_or_many_parts_are_one_mask(name):
    item = making.cropped(making.SHAPES[name], is_crowd=True)
    (shape,) = labelme.shapes_of(item, outlines.trace(*item.drawn))
    assert (shape["shape_type"], shape["flags"]) == ("mask", {"iscrowd": True})
    (x1, y1), (x2, y2) = shape["points"]  # the first and the last pixel
    png = cv2.imdecode(np.frombuffer(base64.b64decode(shape["mask"]), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(png.astype(bool), making.SHAPES[name][y1 : y2 + 1, x1 : x2 + 1])
    assert png.max() == 1


def test_writer_writes_a_file_beside_each_image_and_the_labels(tmp_path):
    setup = making.setup(tmp_path, "cat", "große Katze")
    writer = labelme.LabelmeWriter(setup)
    for picture in (Picture("sub/a.b.png", "val", SIZE), Picture("c.png", None, SIZE)):
        (tmp_path / writer.image_path(picture)).parent.mkdir(parents=True, exist_ok=True)
        writer.add(picture)
    assert writer.finish() == ()
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert written == ["c.json", "labels.txt", "val/sub/a.b.json"]
    assert json.loads((tmp_path / "val/sub/a.b.json").read_text())["imagePath"] == "a.b.png"
    assert (tmp_path / "labels.txt").read_text(encoding="utf-8") == "cat\ngroße Katze\n"


def test_image_path_of_no_split_has_no_folder_of_a_split(tmp_path):
    writer = labelme.LabelmeWriter(making.setup(tmp_path))
    assert writer.image_path(Picture("Train/a.png", None, SIZE)) == "Train_/a.png"
    assert writer.image_path(Picture("train.png", None, SIZE)) == "train.png"
    assert writer.image_path(Picture("a.png", "train", SIZE)) == "train/a.png"
