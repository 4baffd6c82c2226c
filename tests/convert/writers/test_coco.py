"""COCO JSON: the content of files, and the same objects read back by our reader and by pycocotools."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from mrcnn.convert.writers import coco
from mrcnn.convert.writers.record import Picture
from mrcnn.project.annotation import Tag
from tests.convert.writers import making

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # inside pycocotools

SIZE = making.HEIGHT, making.WIDTH


def write(folder, *pictures, **more):
    """Writes pictures; returns the losses and the files by name."""
    setup = making.setup(folder, **more)
    writer = coco.CocoWriter(setup)
    for picture in pictures:
        writer.add(picture)
    assert writer.finish() == ()
    return setup.losses, {path.name: json.loads(path.read_text()) for path in sorted((folder / coco.FOLDER).iterdir())}


def annotation_of(item, **more):
    return coco.annotation_of(item, *coco.segmentations_of([item], size_hw=SIZE), **more)


def test_annotation_of_a_square():
    item = making.cropped(making.SHAPES["square"], score=0.123456789, tags=(Tag("wild"), Tag("age", 3)))
    # rows 5 to 14, columns 10 to 19
    assert annotation_of(item, category_id=4) == {
        "category_id": 4,
        "bbox": [10, 5, 10, 10],
        "area": 100,
        "iscrowd": 0,
        "segmentation": [[10, 5, 20, 5, 20, 15, 10, 15]],
        "score": 0.123457,
        "attributes": {"wild": True, "age": 3},
    }


def test_annotation_of_extra_fields_and_description():
    fields = {"keypoints": [1, 2, 2], "num_keypoints": 1}
    item = making.cropped(making.SHAPES["pixel"], description="x", fields=fields)
    found = annotation_of(item, category_id=1)
    assert {name: found[name] for name in ("description", *fields)} == {"description": "x", **fields}
    assert "score" not in found


@pytest.mark.parametrize(
    ("name", "is_crowd", "kind"),
    [
        ("square", False, list),
        ("two parts", False, list),
        ("hole", False, dict),
        ("noise", False, dict),
        ("square", True, dict),
    ],
)
def test_segmentations_of_parts_is_polygons_and_of_holes_and_crowds_run_lengths(name, is_crowd, kind):
    (found,) = coco.segmentations_of([making.cropped(making.SHAPES[name], is_crowd=is_crowd)], size_hw=SIZE)
    assert type(found) is kind
    assert kind is dict or len(found) == (2 if name == "two parts" else 1)


def test_category_ids_are_kept_where_all_fit():
    assert coco.category_ids({"a": {"id": 7}, "b": {"id": 3}}) == {"a": 7, "b": 3}
    for other in ({}, {"id": 7}, {"id": 0}, {"id": "3"}, {"id": True}):
        assert coco.category_ids({"a": {"id": 7}, "b": other}) == {"a": 1, "b": 2}
    assert coco.category_ids({}) == {}


def test_writer_makes_a_file_of_each_split(tmp_path):
    square = making.cropped(making.SHAPES["square"], "dog")
    pictures = [
        Picture("a.png", "train", SIZE, (square,)),
        Picture("b/c.png", "train", SIZE, (square, square), (Tag("rain"), Tag("place", "park"))),
        Picture("d.png", "val", SIZE),
        Picture("e.png", None, SIZE, (square,)),
    ]
    losses, found = write(tmp_path, *pictures)
    assert [*found] == ["instances.json", "instances_train.json", "instances_val.json"]
    train = found["instances_train.json"]
    assert train["images"] == [
        {"id": 1, "file_name": "a.png", "height": 40, "width": 60},
        {
            "id": 2,
            "file_name": "b/c.png",
            "height": 40,
            "width": 60,
            "attributes": {"rain": True, "place": "park"},
        },
    ]
    assert [(item["id"], item["image_id"], item["category_id"]) for item in train["annotations"]] == [
        (1, 1, 2),
        (2, 2, 2),
        (3, 2, 2),
    ]
    assert [item["name"] for item in train["categories"]] == ["cat", "dog"]
    assert (train["info"], train["licenses"]) == ({"description": "data"}, [])
    assert found["instances_val.json"]["annotations"] == []
    assert (losses.kept, losses.lines()) == ({"dog": 4}, [])


def test_writer_keeps_ids_that_are_unique_numbers(tmp_path):
    square = making.SHAPES["square"]
    items = [making.cropped(square, source_id=value) for value in (5, 1, "9", None, 5, "x", 2**60)]
    losses, found = write(tmp_path, Picture("a.png", None, SIZE, tuple(items)))
    # the next free numbers are 2, 3, 4 and 6
    assert [item["id"] for item in found["instances.json"]["annotations"]] == [5, 1, 9, 2, 3, 4, 6]
    assert losses.lines() == [f"3 objects{coco.OTHER_ID.removeprefix('object')}: cat 3"]


def test_writer_of_categories_with_keypoints(tmp_path):
    setup = making.setup(tmp_path)
    own = {"keypoints": ["nose"], "skeleton": [], "supercategory": "animal", "id": 17}
    setup = coco.Setup(tmp_path, categories={"cat": own}, losses=setup.losses)
    writer = coco.CocoWriter(setup)
    writer.add(Picture("a.png", None, SIZE))
    writer.finish()
    assert json.loads((tmp_path / coco.FOLDER / "instances.json").read_text())["categories"] == [{**own, "name": "cat"}]


def test_pycocotools_draws_the_same_pixels(tmp_path):
    items = tuple(making.cropped(canvas, score=0.5) for canvas in making.SHAPES.values())
    write(tmp_path, Picture("a.png", None, SIZE, items))
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = COCO(tmp_path / coco.FOLDER / "instances.json")
    anns = loaded.loadAnns(loaded.getAnnIds())
    for annotation, (name, canvas) in zip(anns, making.SHAPES.items(), strict=True):
        np.testing.assert_array_equal(loaded.annToMask(annotation), canvas, err_msg=name)
        assert annotation["area"] == canvas.sum()
