"""labelme's JSON as labelme 3 to 5 and X-AnyLabeling write it."""

import base64

import cv2
import numpy as np
import pytest

from mrcnn.data.formats import labelme
from mrcnn.errors import UserError
from tests.data.formats import making
from tests.data.formats.making import HEIGHT, SQUARE, TRIANGLE, WIDTH


def shape(label="cat", points=SQUARE, kind="polygon", **more):
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def content(*shapes, path="a.png", **more):
    size = {"imageHeight": HEIGHT, "imageWidth": WIDTH}
    return {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": path, "imageData": None, **size, **more}


def png(mask):
    return base64.b64encode(cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes()).decode()


def test_read_polygons_flags_groups_and_split_folders(tmp_path):
    making.image(tmp_path / "images" / "a.png")
    making.image(tmp_path / "images" / "b.png")
    first = content(
        shape(flags={"occluded": True, "cut": False}, description="left one"),
        shape("dog", TRIANGLE, group_id=4),
        shape("dog", SQUARE, group_id=4),
        path=r"..\images\a.png",
        flags={"night": True},
    )
    making.write(tmp_path / "train" / "a.json", first)
    making.write(tmp_path / "val" / "b.json", content(path="../images/b.png", imageHeight=None))
    (a, b), report = making.read("labelme", tmp_path)
    assert making.objects(a)[0] == ("cat", 100, [("occluded", None)])
    np.testing.assert_array_equal(making.drawn(a.annotation.labels[0]), making.square())
    assert a.annotation.labels[0].extra["description"] == "left one"
    assert [label.instance for label in a.annotation.labels] == [None, "group 4", "group 4"]
    assert [tag.name for tag in a.annotation.tags] == ["train", "night"]
    assert (a.split, b.split, b.annotation.size_hw, b.annotation.labels) == ("train", "val", (HEIGHT, WIDTH), ())
    assert (report.classes, report.kept, report.lost_images) == (("cat", "dog"), {"cat": 1, "dog": 2}, 0)


def test_read_masks_circles_boxes_and_thin_shapes(tmp_path):
    making.image(tmp_path / "a.png")
    ring = np.ones((5, 7), bool)
    ring[2, 3] = False
    shapes = [
        shape(points=[[10.0, 20.0], [16.0, 24.0]], kind="mask", mask=png(ring)),
        shape(points=[[30, 20], [30, 26]], kind="circle"),
        shape(points=[[20, 15], [10, 5]], kind="rectangle"),
        shape(points=SQUARE, kind="rotation"),
        shape(points=[[1, 2]], kind="point"),
        shape(points=SQUARE, kind="cuboid"),
    ]
    path = making.write(tmp_path / "a.json", content(*shapes))
    (item,), report = making.read("labelme", path)
    mask = making.drawn(item.annotation.labels[0])
    np.testing.assert_array_equal(mask[20:25, 10:17], ring)
    assert mask.sum() == 5 * 7 - 1
    assert abs(making.objects(item)[1][1] - np.pi * 36) < 3
    assert report.tally.lines() == [
        "2 objects left out, a box without a mask (--boxes-as-masks takes the whole box): a.json object 2; a.json "
        "object 3",
        "1 object left out, its shape has no area: a.json object 4 (point)",
        "1 object left out, its shape is not known: a.json object 5 (cuboid)",
    ]
    (boxes,), _ = making.read("labelme", path, boxes_as_masks=True)
    assert [area for _, area, _ in making.objects(boxes)[2:]] == [100, 100]


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (None, "its points are malformed: a.json object 1 (it is None)"),
        (shape(points=[[1, "x"]]), "its points are malformed: a.json object 1 (`points` must be finite"),
        (shape(points=[]), "its points are malformed: a.json object 1"),
        (shape(points=[[1, 2]], kind="circle"), "its points are malformed: a.json object 1 (a circle needs"),
        (shape(kind="mask"), "no mask: a.json object 1"),
        (shape(kind="mask", mask="%%"), "its mask cannot be read: a.json object 1 (the mask is no base64"),
        (shape(kind="mask", mask="AAAA"), "its mask cannot be read: a.json object 1 (cannot decode the image"),
        (shape(None), "no class: a.json object 1"),
    ],
)
def test_read_names_a_broken_object_and_keeps_the_others(tmp_path, broken, line):
    making.image(tmp_path / "a.png")
    making.write(tmp_path / "a.json", content(shape(), broken))
    (item,), report = making.read("labelme", tmp_path)
    assert [title for title, _, _ in making.objects(item)] == ["cat"]
    assert report.tally.lines()[0].startswith(f"1 object left out, {line}")


def test_read_finds_the_image_of_the_same_name_and_names_what_is_missing(tmp_path):
    making.image(tmp_path / "sub" / "a.png")
    making.write(tmp_path / "sub" / "a.json", content(shape(), path="/home/me/old name.jpg"))
    making.write(tmp_path / "gone.json", content(shape()))
    making.write(tmp_path / "broken.json", "{")
    making.write(tmp_path / "other.json", {"images": []})
    (item,), report = making.read("labelme", tmp_path)
    assert (item.dataset, item.name) == ("sub", "a.png")
    assert report.lost_images == 2
    lines = "\n".join(report.tally.lines())
    assert "1 image left out, annotation file cannot be read" in lines
    assert "1 image left out, file not found: gone.json: there is no" in lines
    assert "1 JSON file passed over, not of labelme: other.json" in lines


def test_read_of_nothing(tmp_path):
    making.write(tmp_path / "a.json", content(path="gone.png"))
    with pytest.raises(UserError, match=r"no image of .* can be used: 1 image left out, file not found"):
        making.read("labelme", tmp_path)


def test_fits_a_folder_and_a_file_alone(tmp_path):
    path = making.write(tmp_path / "in" / "a.json", content())
    other = making.write(tmp_path / "b.json", {"shapes": 3})
    assert labelme.fits(tmp_path)
    assert labelme.fits(path)
    assert not labelme.fits(other)
    assert not labelme.fits(tmp_path / "none")
