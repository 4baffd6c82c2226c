"""Checks the project made of COCO files, of usual ones and of what exporters write."""

import json

import numpy as np
import pytest
from pycocotools import mask as pycocotools_mask

from mrcnn.convert import coco
from mrcnn.data.coco import objects
from mrcnn.events import JsonLog
from mrcnn.fields.table import FIELDS
from mrcnn.project.reader import Project
from tests.data.coco import cases as coco_cases
from tests.data.coco.cases import SQUARE, SQUARE_PIXELS, annotation, content, image
from tests.fields import toy

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # inside pycocotools

HEIGHT, WIDTH = 20, 24
BLOB = np.zeros((HEIGHT, WIDTH), bool)
BLOB[3:9, 4:11] = True
BLOB[5:7, 6:8] = False  # a hole
BLOB[15, 20] = True  # and a second part
HOUSE = [2.0, 2.0, 12.0, 2.0, 12.0, 9.0, 7.0, 14.0, 2.0, 9.0]
TRIANGLE = [15.3, 1.2, 22.9, 4.4, 17.1, 11.8]


def _packed(mask):
    packed = pycocotools_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": packed["size"], "counts": packed["counts"].decode()}


def _reference(rings):
    merged = pycocotools_mask.merge(pycocotools_mask.frPyObjects(rings, HEIGHT, WIDTH))
    return pycocotools_mask.decode(merged).astype(bool)


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
            {"id": 2, "image_id": 2, "category_id": 9, "segmentation": _packed(BLOB), "iscrowd": 1},
            {"id": 3, "image_id": 2, "category_id": 9, "bbox": [1, 2, 3, 4]},
            {"id": 4, "image_id": 2, "category_id": 9, "segmentation": {"size": [1, 1], "counts": [1]}},
            {"id": 5, "image_id": 77, "category_id": 9, "segmentation": [HOUSE]},
        ],
    }
    (tmp_path / "x.json").write_text(json.dumps(content))
    return tmp_path


def test_convert_makes_a_project(source, capsys):
    options = ["--annotations", source / "x.json", "--images", source / "images", "--tag", "val"]
    assert coco.main([*map(str, options), "--out", str(source / "out")]) == 0
    printed = capsys.readouterr().err
    assert (
        "2 images, 2 objects, 1 of them crowds; 3 objects left out, which training takes for background\n" in printed
    )  # one has no image
    assert "1 object left out, no mask: annotation 3 of image b.jpg\n" in printed
    assert "annotation 4 of image b.jpg (they are for [1, 1]" in printed

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
    assert coco.main([*options, "--out", str(source / "out")]) == 0
    project = Project.open(source / "out")
    assert [item.title for item in project.meta.classes] == ["cat", "dog", "cow"]
    tagged = {item.dataset: item.read_annotation(project.meta).tags[0].name for item in project.items}
    assert tagged == {"x": "train", "x_2": "val"}


@pytest.mark.parametrize("options", [[], ["--annotations", "x.json"], ["--images", "d"]])
def test_main_missing_options_are_one_line(tmp_path, capsys, options):
    assert coco.main([*options, "--out", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr().err
    assert "give --annotations JSON and --images DIR" in printed
    assert printed.count("\n") == 1


def _converted(folder, made, *options, names=("a.png", "b.png")):
    """Converts a file; returns the exit code, what each image's objects cover, and the project, None without one."""
    path, images = coco_cases.write(folder, made, names=names)
    words = ["--annotations", path, "--images", images, "--tag", "train", "--out", folder / "out", *options]
    code = coco.main(list(map(str, words)))
    if code:
        assert not (folder / "out").exists()
        return code, {}, None
    project = Project.open(folder / "out")
    found = {}
    for item in project.items:
        read = item.read_annotation(project.meta)
        assert read.size_hw == (coco_cases.HEIGHT, coco_cases.WIDTH)
        found[item.name] = [(label.class_title, int(label.geometry.mask.sum())) for label in read.labels]
    return code, found, project


CAT = ("cat", SQUARE_PIXELS)
DOG = ("dog", SQUARE_PIXELS)
ONE_EACH = {"a.png": [CAT], "b.png": [CAT]}
# 10 pixels clear, 20 true, 44 clear, 20 true, the rest clear: 64 x 80 = 5120 pixels, 40 of them true
BRUSH = {"size": [64, 80], "counts": [10, 20, 44, 20, 5026]}
ROOTED = [{"id": 0, "name": "animals", "supercategory": "none"}, {"id": 1, "name": "cat", "supercategory": "animals"}]
NAN = float("nan")
UNDERSTOOD = {
    "a root category": (content(categories=ROOTED), ONE_EACH, "1 item of `categories` left out, parent of others"),
    "a root category with a class's name": (
        content(categories=[{"id": 0, "name": "cat"}, {"id": 1, "name": "cat", "supercategory": "cat"}]),
        ONE_EACH,
        "1 item of `categories` left out, parent of others",
    ),
    "a file under two ids": (
        content(
            annotation(1),
            annotation(2, category_id=2),
            annotation(3),
            images=[image(1, "a.png"), image(2, "a.png"), image(3, "b.png")],
        ),
        {"a.png": [CAT, DOG], "b.png": [CAT]},
        "1 image listed under several ids, whose objects are joined: a.png (ids 1, 2)",
    ),
    "an unknown category": (
        content(annotation(1), annotation(2, category_id=9)),
        {"a.png": [CAT], "b.png": []},
        "1 object left out, category not in the file: annotation 2 of image b.png (category 9)",
    ),
    "ids as text": (
        content(annotation(1, category_id="1"), annotation(2, category_id="2")),
        {"a.png": [CAT], "b.png": [DOG]},
        "",
    ),
    "image ids as text": (content(annotation(1, image_id="1"), annotation(2, image_id=2.0)), ONE_EACH, ""),
    "a flat polygon": (
        content(annotation(1, segmentation=SQUARE), annotation(2)),
        ONE_EACH,
        "1 object whose polygon is one flat list of numbers, read as one polygon: annotation 1 of image a.png",
    ),
    "pairs": (
        content(annotation(1, segmentation=[[[10, 10], [30, 10], [30, 30], [10, 30]]]), annotation(2)),
        ONE_EACH,
        "1 object whose polygon is a list of [x, y] pairs, read as such: annotation 1 of image a.png",
    ),
    "no sizes": (
        content(images=[{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png", "height": 0, "width": -80}]),
        ONE_EACH,
        "2 images without a usable `height` and `width`, read from the image itself: a.png; b.png",
    ),
    "sizes as text": (content(images=[image(1, "a.png", height="64"), image(2, "b.png", width=80.0)]), ONE_EACH, ""),
    "a coordinate that is no number": (
        content(annotation(1, segmentation=[[NAN, 10, 30, 10, 30, 30]]), annotation(2)),
        {"a.png": [], "b.png": [CAT]},
        "1 object left out, the outline has invalid coordinates: annotation 1 of image a.png (one is no finite number)",
    ),
    "a coordinate far away": (
        content(annotation(1, segmentation=[[1e8, 10, 30, 10, 30, 30]]), annotation(2)),
        {"a.png": [], "b.png": [CAT]},
        "annotation 1 of image a.png (1e+08 is far outside the image of 80 x 64 pixels)",
    ),
    "iscrowd as text": (content(annotation(1, iscrowd="0"), annotation(2, iscrowd="false")), ONE_EACH, ""),
    "no iscrowd": (content(annotation(1, iscrowd=None), annotation(2, iscrowd="")), ONE_EACH, ""),
    "another iscrowd": (
        content(annotation(1, iscrowd="maybe"), annotation(2)),
        {"a.png": [], "b.png": [CAT]},
        "1 object left out, `iscrowd` is neither 0 nor 1: annotation 1 of image a.png ('maybe')",
    ),
    "a folder before the name": (
        content(images=[image(1, "images/a.png"), image(2, "images\\b.png")]),
        ONE_EACH,
        "2 images found under another name than the file gives: images/a.png as a.png; ",
    ),
    "run lengths of a wrong sum": (
        content(annotation(1), annotation(2, segmentation={"size": [64, 80], "counts": [10, 20, 5089]})),
        {"a.png": [CAT], "b.png": []},
        "1 object left out, the run lengths do not fit the image: annotation 2 of image b.png "
        "(they add up to 5119 pixels, the image has 5120)",
    ),
    "boxes among masks": (
        content(annotation(1), annotation(2, segmentation=[])),
        {"a.png": [CAT], "b.png": []},
        "1 object left out, no mask: annotation 2 of image b.png",
    ),
    "repeated annotation ids": (content(annotation(1), {**annotation(2), "id": 1}), ONE_EACH, ""),
    "broken items": (
        content(None, 3, [], annotation(1), {"image_id": None, "category_id": 1, "segmentation": [SQUARE]}),
        {"a.png": [CAT], "b.png": []},
        "3 objects left out, not a JSON object",
    ),
    "a class name that is a number": (
        content(categories=[{"id": 1, "name": 7}]),
        {"a.png": [("7", SQUARE_PIXELS)], "b.png": [("7", SQUARE_PIXELS)]},
        "",
    ),
}


@pytest.mark.parametrize("case", UNDERSTOOD)
def test_convert_understands_what_exporters_write(tmp_path, capsys, case):
    made, expected, line = UNDERSTOOD[case]
    code, found, _ = _converted(tmp_path, made)
    assert code == 0
    assert found == expected
    printed = capsys.readouterr().err
    assert line in printed
    assert bool(line) == ("warning: " in printed)


REFUSED = {
    "one id for two images": (
        content(images=[image(1, "a.png"), image(1, "b.png")]),
        "2 images left out, since several images have one `id` and their objects cannot be told apart; "
        "give each image its own `id`: id 1: 'a.png', 'b.png'",
    ),
    "boxes alone": (
        content(annotation(1, segmentation=[]), annotation(2, segmentation=None)),
        "it has 2 boxes without masks; annotate masks",
    ),
    "keypoints alone": (
        content({**annotation(1, segmentation=[[]]), "keypoints": [1, 2, 2]}),
        "it has 1 boxes and keypoints without masks; annotate masks",
    ),
    "a panoptic file": (
        content({"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 1, "category_id": 1}]}),
        "is a COCO panoptic file, no COCO instance file; its masks lie in PNG files",
    ),
    "a category id twice": (
        content(categories=[{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}]),
        "the category id 1 is there twice, for 'cat' and for 'dog'; give each its own id",
    ),
    "an empty category name": (
        content(categories=[{"id": 1, "name": ""}]),
        "category 1 has no name, but 2 objects; give it a `name`",
    ),
    "category ids counted from zero": (
        content(annotation(1, category_id=0), annotation(2)),
        "the category ids of the objects (0, 1) are all one lower than those of `categories` (1, 2)",
    ),
    "every object broken": (
        content(annotation(1, category_id=7), annotation(2, segmentation=[[NAN] * 6])),
        "its 2 objects are all left out",
    ),
    "no image there": (
        content(images=[image(1, "x/c.png")]),
        "1 image left out, file not found: there is no ",
    ),
    "images that lead out": (content(images=[image(1, "../a.json")]), "../a.json leads out of the images' folder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_convert_refuses_what_leaves_nothing(tmp_path, capsys, case):
    made, line = REFUSED[case]
    assert _converted(tmp_path, made)[0] == 1
    printed = capsys.readouterr().err
    assert line in printed
    assert printed.count("error: ") == 1


def test_convert_says_that_crowds_are_not_learnt(tmp_path, capsys):
    made = content(annotation(1, segmentation=BRUSH, iscrowd=1), annotation(2, segmentation=BRUSH, iscrowd="1"))
    _, found, project = _converted(tmp_path, made)
    printed = capsys.readouterr().err
    assert "2 crowds not learnt" in printed
    assert "(--crowds-as-objects takes crowds as objects): annotation 1 of image a.png" in printed
    assert "nothing can be learnt from" in printed
    assert "all its objects are crowds" in printed
    assert found == {"a.png": [("cat", 40)], "b.png": [("cat", 40)]}
    assert all(item.read_annotation(project.meta).labels[0].has_tag("iscrowd") for item in project.items)


def test_convert_takes_crowds_as_objects(tmp_path, capsys):
    made = content(annotation(1, segmentation=BRUSH, iscrowd=1), annotation(2))
    _, found, project = _converted(tmp_path, made, "--crowds-as-objects")
    printed = capsys.readouterr().err
    assert "1 crowd taken as if `iscrowd` were 0: annotation 1 of image a.png" in printed
    assert "2 images, 2 objects, 0 of them crowds" in printed
    assert found == {"a.png": [("cat", 40)], "b.png": [CAT]}
    assert not any(item.read_annotation(project.meta).labels[0].tags for item in project.items)


def test_convert_keeps_images_without_objects(tmp_path, capsys):
    code, found, _ = _converted(tmp_path, {**content(), "annotations": []})
    assert (code, found) == (0, {"a.png": [], "b.png": []})
    assert "nothing can be learnt from" in capsys.readouterr().err


def test_convert_gives_each_image_a_name_of_its_own(tmp_path):
    names = ("x/a.png", "x_a.png", ".b.png")
    images = [image(number, name) for number, name in enumerate(names, start=1)]
    _, found, _ = _converted(tmp_path, content(*map(annotation, (1, 2, 3)), images=images), names=names)
    assert found == {"x_a.png": [CAT], "x_a_2.png": [CAT], "_.b.png": [CAT]}


def test_convert_leaves_out_names_that_are_too_long(tmp_path, capsys):
    names = ("x" * 130 + "/" + "y" * 130 + ".png", "b.png")
    _, found, _ = _converted(tmp_path, content(images=[image(1, names[0]), image(2, names[1])]), names=names)
    assert found == {"b.png": [CAT]}
    printed = capsys.readouterr().err
    assert "1 image left out, name too long for a project: xxx" in printed
    assert "1 image, 1 object, 0 of them crowds; 1 object left out" in printed


def test_convert_stops_drawing_where_an_image_has_too_much(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(objects, "MOST_DRAWN", SQUARE_PIXELS)
    made = content(*(annotation(number, image_id=1) for number in range(1, 5)), annotation(5, image_id=2))
    _, found, _ = _converted(tmp_path, made)
    assert found == {"a.png": [CAT, CAT], "b.png": [CAT]}  # the second is the first beyond 400 pixels
    assert "2 objects left out, the objects before it have more than" in capsys.readouterr().err


def test_convert_tells_a_log_every_reason(tmp_path, capsys):
    path, images = coco_cases.write(tmp_path, UNDERSTOOD["broken items"][0])
    counts = coco.convert([coco.Split("train", path, images)], tmp_path / "out", JsonLog())
    assert counts == {"images": 2, "objects": 1, "skipped": 4}
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"].split(":")[0] for line in lines if line["level"] == "warn"] == [
        "3 objects left out, not a JSON object",
        "1 object left out, image not in the file",
    ]


def test_convert_writes_the_figures_of_fields(tmp_path, monkeypatch):
    monkeypatch.setitem(FIELDS, "point", toy.Dot())
    made = content(annotation(1, point=[12, 20]), annotation(2, category_id=2))
    split = coco.Split(None, *coco_cases.write(tmp_path, made))
    counts = coco.convert([split], tmp_path / "out", JsonLog())
    assert counts == {"images": 2, "objects": 2}
    project = Project.open(tmp_path / "out")
    assert [(item.title, item.shape) for item in project.meta.classes] == [("cat", "any"), ("dog", "bitmap")]
    (mask, dot), (plain,) = (item.read_annotation(project.meta).labels for item in project.items)
    assert mask.extra["instance"] == dot.extra["instance"]
    assert dot.geometry.points.tolist() == [[20, 12]]
    assert (mask.geometry.shape, plain.geometry.shape, "instance" in plain.extra) == ("bitmap", "bitmap", False)
