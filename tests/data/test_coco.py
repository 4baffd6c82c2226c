"""Checks reading COCO annotations and the project made of them; masks are compared with pycocotools."""

import json

import numpy as np
import pytest
from pycocotools import mask as pycocotools_mask

from mrcnn.data import coco
from mrcnn.errors import UserError
from mrcnn.project.reader import Project

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # inside pycocotools

HEIGHT, WIDTH = 20, 24
BLOB = np.zeros((HEIGHT, WIDTH), bool)
BLOB[3:9, 4:11] = True
BLOB[5:7, 6:8] = False  # a hole
BLOB[15, 20] = True  # and a second part


def _counts(mask):
    """Gives COCO's uncompressed run lengths: column by column, zeros first."""
    flat = mask.T.ravel().astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flat)))).tolist()
    return np.diff([0, *edges, flat.size]).tolist()


def _packed(mask):
    packed = pycocotools_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": packed["size"], "counts": packed["counts"].decode()}


HOUSE = [2.0, 2.0, 12.0, 2.0, 12.0, 9.0, 7.0, 14.0, 2.0, 9.0]
TRIANGLE = [15.3, 1.2, 22.9, 4.4, 17.1, 11.8]
SEGMENTATIONS = {
    "polygon": [HOUSE],
    "parts": [HOUSE, TRIANGLE],
    "overlapping parts": [HOUSE, [5.0, 5.0, 20.0, 5.0, 20.0, 8.5]],
    "outside": [[-5.0, -5.0, 60.0, -5.0, 60.0, 60.0]],
    "run lengths": {"size": [HEIGHT, WIDTH], "counts": _counts(BLOB)},
    "packed run lengths": _packed(BLOB),
}


def _reference(segmentation):
    if isinstance(segmentation, list) or isinstance(segmentation["counts"], list):
        encoded = pycocotools_mask.frPyObjects(segmentation, HEIGHT, WIDTH)
        segmentation = pycocotools_mask.merge(encoded) if isinstance(encoded, list) else encoded
    return pycocotools_mask.decode(segmentation).astype(bool)


@pytest.mark.parametrize("kind", SEGMENTATIONS)
def test_masks_equal_those_of_pycocotools(kind):
    mask = coco.CocoObject("cat", SEGMENTATIONS[kind], is_crowd=False).to_mask(HEIGHT, WIDTH)
    np.testing.assert_array_equal(mask, _reference(SEGMENTATIONS[kind]))


def test_run_lengths_keep_holes_and_parts():
    for kind in ("run lengths", "packed run lengths"):
        mask = coco.CocoObject("cat", SEGMENTATIONS[kind], is_crowd=True).to_mask(HEIGHT, WIDTH)
        np.testing.assert_array_equal(mask, BLOB)


def test_polygon_reference_case():
    # Source: reference case "polygon_rasterise" drawn by pycocotools: rows 2..8 hold columns 2..11, then narrower.
    mask = coco.CocoObject("cat", [HOUSE], is_crowd=False).to_mask(20, 20)
    assert mask.sum(axis=1).tolist() == [0, 0] + [10] * 7 + [8, 6, 4, 2] + [0] * 7


@pytest.mark.parametrize("segmentation", [None, [], [[]], [[1, 2, 3, 4]], [[100.0, 100, 110, 100, 110, 110]]])
def test_an_object_without_pixels_has_no_mask(segmentation):
    assert coco.CocoObject("cat", segmentation, is_crowd=False).to_mask(HEIGHT, WIDTH) is None


def test_a_part_of_four_numbers_is_no_box():
    mask = coco.CocoObject("cat", [[0, 0, 5, 5], HOUSE], is_crowd=False).to_mask(HEIGHT, WIDTH)
    np.testing.assert_array_equal(mask, _reference([HOUSE]))


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [5, 5], "counts": [25]},
        {"size": [HEIGHT, WIDTH]},
        {"counts": [25]},
        [["a"] * 6],
        [3, 4, 5, 6, 7, 8],
        {"size": [HEIGHT, WIDTH], "counts": ["a"]},
    ],
)
def test_a_malformed_segmentation_is_one_line(segmentation):
    with pytest.raises(UserError, match="its ") as caught:
        coco.CocoObject("cat", segmentation, is_crowd=False).to_mask(HEIGHT, WIDTH)
    assert "\n" not in str(caught.value)


@pytest.fixture
def source(tmp_path):
    """A COCO set of four images: cat and crowd, none, file missing, file of another type."""
    for name in ("b.jpg", "sub/a.png", "c.gif"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    size = {"height": HEIGHT, "width": WIDTH}
    content = {
        "images": [
            {"id": 1, "file_name": "sub/a.png", **size},
            {"id": 2, "file_name": "b.jpg", **size},
            {"id": 3, "file_name": "missing.jpg", **size},
            {"id": 4, "file_name": "c.gif", **size},
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 2, "category_id": 3, "segmentation": [HOUSE, TRIANGLE], "iscrowd": 0},
            {"id": 2, "image_id": 2, "category_id": 9, "segmentation": SEGMENTATIONS["run lengths"], "iscrowd": 1},
            {"id": 3, "image_id": 2, "category_id": 9, "bbox": [1, 2, 3, 4]},
            {"id": 4, "image_id": 2, "category_id": 9, "segmentation": {"size": [1, 1], "counts": [1]}},
            {"id": 5, "image_id": 77, "category_id": 9, "segmentation": [HOUSE]},
        ],
    }
    (tmp_path / "x.json").write_text(json.dumps(content))
    return tmp_path


def _edit(source, **changes):
    content = json.loads((source / "x.json").read_text())
    (source / "x.json").write_text(json.dumps({**content, **changes}))


def test_read_coco_sorts_and_reports(source):
    dataset = coco.read_coco(source / "x.json", source / "images")
    assert dataset.categories == ("cat", "dog")  # by id
    assert [image.name for image in dataset.images] == ["b.jpg", "sub/a.png"]
    assert [item.is_crowd for item in dataset.images[0].objects] == [False, True, False, False]
    assert dataset.images[1].objects == ()
    text = "\n".join(dataset.warnings)
    assert len(dataset.warnings) == 3
    assert "missing.jpg" in text
    assert "c.gif" in text
    assert "1 annotations" in text


def test_convert_makes_a_project(source, capsys):
    options = ["convert", "--annotations", source / "x.json", "--images", source / "images", "--tag", "val"]
    assert coco.main([*map(str, options), "--out", str(source / "out")]) == 0
    printed = capsys.readouterr().err
    assert "2 images, 2 objects, 1 of them crowds; 2 objects without a mask left out" in printed
    assert "object 3 of image b.jpg is left out" in printed

    project = Project.open(source / "out")
    assert [(item.title, item.shape) for item in project.meta.classes] == [("cat", "bitmap"), ("dog", "bitmap")]
    assert [item.name for item in project.meta.tags] == ["val", "iscrowd"]
    assert [(item.dataset, item.name) for item in project.items] == [("x", "b.jpg"), ("x", "sub_a.png")]
    assert project.items[1].image_path.samefile(source / "images/sub/a.png")
    first, second = (item.read_annotation(project.meta) for item in project.items)
    assert first.size_hw == second.size_hw == (HEIGHT, WIDTH)
    assert first.has_tag("val")
    assert second.has_tag("val")
    assert second.labels == ()  # a negative stays
    assert [(label.class_title, label.has_tag("iscrowd")) for label in first.labels] == [("cat", False), ("dog", True)]
    for label, expected in zip(first.labels, (_reference([HOUSE, TRIANGLE]), BLOB), strict=True):
        canvas = np.zeros((HEIGHT, WIDTH), bool)
        mask, (y, x) = label.geometry.to_mask(HEIGHT, WIDTH)
        canvas[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        np.testing.assert_array_equal(canvas, expected)


def test_convert_joins_splits(source):
    images = str(source / "images")
    (source / "other").mkdir()
    (source / "other/x.json").write_text((source / "x.json").read_text().replace('"cat"', '"cow"'))
    splits = [("train", source / "x.json"), ("val", source / "other/x.json")]
    options = [word for tag, path in splits for word in ("--split", tag, str(path), images)]
    assert coco.main(["convert", *options, "--out", str(source / "out")]) == 0
    project = Project.open(source / "out")
    assert [item.title for item in project.meta.classes] == ["cat", "dog", "cow"]
    tagged = {item.dataset: item.read_annotation(project.meta).tags[0].name for item in project.items}
    assert tagged == {"x": "train", "x_2": "val"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"categories": [{"id": 3, "name": "cat"}]}, "no COCO instance file: KeyError 9"),
        ({"categories": None}, "no COCO instance file"),
        ({"images": [{"id": 2}]}, "no COCO instance file: KeyError 'file_name'"),
        ({"annotations": [3]}, "no COCO instance file"),
        ({"images": []}, "none of the 0 images"),
        ({"categories": [{"id": 9, "name": "cat"}, {"id": 3, "name": "cat"}]}, "'cat' as the name of several"),
    ],
)
def test_a_malformed_file_is_one_line(source, changes, message):
    _edit(source, **changes)
    with pytest.raises(UserError, match=message) as caught:
        coco.read_coco(source / "x.json", source / "images")
    assert "\n" not in str(caught.value)
    assert "x.json" in str(caught.value)


@pytest.mark.parametrize("options", [[], ["--annotations", "x.json"], ["--images", "d"]])
def test_missing_options_are_one_line(tmp_path, capsys, options):
    assert coco.main(["convert", *options, "--out", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr().err
    assert "give --annotations JSON and --images DIR" in printed
    assert printed.count("\n") == 1


def test_other_json_is_one_line(tmp_path):
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(UserError, match="no COCO instance file"):
        coco.read_coco(tmp_path / "x.json", tmp_path)
    with pytest.raises(UserError, match="cannot read"):
        coco.read_coco(tmp_path / "none.json", tmp_path)
