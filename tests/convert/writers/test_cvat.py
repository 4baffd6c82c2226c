"""CVAT's XML: the elements, and the same objects read back."""

import numpy as np
import pytest
from defusedxml import ElementTree

from mrcnn.convert.writers import cvat, outlines
from mrcnn.convert.writers.record import Picture
from mrcnn.project.annotation import Tag
from tests.convert.writers import making

SIZE = making.HEIGHT, making.WIDTH


def write(folder, *pictures, titles=("cat", "dog"), **more):
    """Writes pictures; returns the root element and the losses."""
    setup = making.setup(folder, *titles, **more)
    writer = cvat.CvatWriter(setup)
    for picture in pictures:
        writer.add(picture)
    assert writer.finish() == ()
    assert [path.name for path in folder.iterdir()] == ["annotations.xml"]
    return ElementTree.parse(folder / cvat.FILE).getroot(), setup.losses


def test_shape_of_a_square():
    tags = (Tag("age", 3), Tag("occluded"))
    item = making.cropped(making.SHAPES["square"], score=0.5, tags=tags)
    assert cvat.shape_element(item, outlines.trace(*item.drawn)) == (
        '    <polygon label="cat" source="auto" occluded="1" '
        'points="10.0,5.0;20.0,5.0;20.0,15.0;10.0,15.0" z_order="0">'
        '<attribute name="age">3</attribute><attribute name="confidence">0.5</attribute></polygon>\n'
    )


@pytest.mark.parametrize("name", ["hole", "two parts", "noise"])
def test_shape_with_holes_or_parts_is_a_mask(name):
    item = making.cropped(making.SHAPES[name], is_crowd=True)
    element = ElementTree.fromstring(cvat.shape_element(item, outlines.trace(*item.drawn)))
    assert (element.tag, element.get("source"), element.get("occluded")) == ("mask", "manual", "0")
    left, top, width, height = (int(element.get(key)) for key in ("left", "top", "width", "height"))
    counts = [int(word) for word in element.get("rle").split(",")]
    mask = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
    np.testing.assert_array_equal(mask, making.SHAPES[name][top : top + height, left : left + width])
    assert [(child.get("name"), child.text) for child in element] == [("iscrowd", "true")]


@pytest.mark.parametrize(
    ("mask", "counts"),
    [
        ([[0, 1, 1], [1, 0, 0]], [1, 3, 2]),
        ([[1, 0], [0, 1]], [0, 1, 2, 1]),
        ([[1]], [0, 1]),
        ([[0, 0]], [2]),
    ],
)
def test_run_lengths_row_by_row(mask, counts):
    assert cvat.run_lengths(np.array(mask, bool)) == counts


def test_writer_declares_labels_before_the_images(tmp_path):
    titles = ("cat", 'a < b & "c"\x01', "dog")
    item = making.cropped(making.SHAPES["pixel"], titles[1], tags=(Tag("wild"), Tag("occluded")), score=0.25)
    pictures = [
        Picture("sub dir/a.png", "train", SIZE, (item,), (Tag("rain"), Tag("place", "park"))),
        Picture("b.png", None, SIZE),
    ]
    root, losses = write(tmp_path, *pictures, titles=titles, colors={"cat": "#FF0000"}, name="my <data>")
    assert [child.tag for child in root] == ["version", "meta", "image", "image"]
    task = root.find("meta/task")
    assert (task.findtext("name"), task.findtext("size")) == ("my <data>", "2")
    labels = {
        label.findtext("name"): (
            label.findtext("type"),
            label.findtext("color"),
            [name.text for name in label.iterfind("attributes/attribute/name")],
        )
        for label in root.iter("label")
    }
    shown = 'a < b & "c"\ufffd'  # XML cannot hold a control character
    assert labels == {
        "cat": ("any", "#FF0000", []),
        shown: ("any", None, ["wild", "confidence"]),
        "dog": ("any", None, []),
        "rain": ("tag", None, []),
        "place": ("tag", None, []),
    }
    first, second = root.iter("image")
    assert dict(first.attrib) == {
        "id": "0", "name": "sub dir/a.png", "subset": "train", "width": "60", "height": "40"
    }  # fmt: skip
    assert [child.get("label") for child in first] == [shown, "rain", "place"]
    assert first[2].find("attribute").text == "park"
    assert (second.get("id"), second.get("subset"), len(second)) == ("1", None, 0)
    assert losses.lines() == []


def test_writer_without_images(tmp_path):
    root, _ = write(tmp_path)
    assert root.findtext("meta/task/size") == "0"


def test_writer_counts_what_it_cannot_hold(tmp_path):
    fields = {"keypoints": [1, 1, 2]}
    item = making.cropped(making.SHAPES["pixel"], description="x", source_id=4, fields=fields)
    _, losses = write(tmp_path, Picture("a.png", None, SIZE, (item,)))
    none = "which the format has no place for"
    assert losses.lines() == [
        f"1 object with a description, {none}: cat 1",
        f"1 object with an id, {none}: cat 1",
        f"1 object with extra fields such as keypoints, {none}: cat 1",
    ]
    assert cvat.CvatWriter(making.setup(tmp_path / "x")).image_path(Picture("s/a.png", "val", SIZE)) == "images/s/a.png"
