"""Checks what the check of a project counts and finds."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from mrcnn.config.load import load_train_config
from mrcnn.data import check
from mrcnn.errors import UserError
from mrcnn.images import image_header

META = {
    "classes": [
        {"title": "pear", "shape": "any", "color": "#112233"},
        {"title": "apple", "shape": "polygon", "color": "#112233"},
    ],
    "tags": [
        {"name": "train", "value_type": "none"},
        {"name": "val", "value_type": "none"},
        {"name": "ripe", "value_type": "oneof_string", "values": ["yes", "no"]},
    ],
}
SQUARE = {"exterior": [[0, 0], [3, 0], [3, 3]], "interior": []}


def _object(title="apple", tags=(), **changes):
    return {"classTitle": title, "tags": list(tags), "points": SQUARE, **changes}


def _add(root, name, *objects, tags=(), size=(4, 6), dataset="ds", exif=1):
    """Adds an image of 4x6 pixels (height x width) and its annotation."""
    folder = root / dataset
    for part in ("img", "ann"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    block = Image.Exif()
    block[image_header.EXIF_ORIENTATION] = exif
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(folder / "img" / name, exif=block)
    content = {"size": {"height": size[0], "width": size[1]}, "tags": list(tags), "objects": list(objects)}
    (folder / "ann" / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def root(tmp_path):
    (tmp_path / "fruit").mkdir()
    (tmp_path / "fruit" / "meta.json").write_text(json.dumps(META))
    return tmp_path / "fruit"


def _check(root, **names):
    return check.check_project(root, **({"train_tag": "train", "val_tag": "val"} | names))


def _problems(root):
    """Lists (is error, text without the project's path) of all problems."""
    return [(problem.is_error, problem.text.replace(f"{root}/", "")) for problem in _check(root).problems]


def test_objects_are_counted_by_class_and_split(root):
    _add(root, "1.png", _object(), _object(), tags=["train"])
    _add(root, "2.png", _object(), _object("pear", geometryType="line"), tags=["train", "val"])
    _add(root, "3.png", _object(), dataset="other")
    report = _check(root)
    assert report.images == {"train": 2, "val": 1, "neither": 1, "all": 3}
    apples = [report.objects["apple", split] for split in report.splits]
    pears = [report.objects["pear", split] for split in report.splits]
    assert (apples, pears) == ([3, 1, 1, 4], [1, 1, 0, 1])
    assert report.shapes == {"polygon": 4, "line": 1}
    assert report.problems == []
    assert check.format_report(report).splitlines() == [
        f"project fruit in {root}",
        "data sets: ds (2), other (1)",
        "tags: train, val, ripe (oneof_string)",
        "shapes of objects: line (1), polygon (4)",
        "        shape    train  val  neither  all",
        "images               2    1        1    3",
        "pear    any          1    1        0    1",
        "apple   polygon      3    1        1    4",
        "1 object without area (point, line, graph), drawn one pixel wide",
        "1 image in both sets",
        "model input: 256x256 pixels (`input_size` of --config or the default); counted for it:",
        "0 errors, 0 warnings",
    ]
    assert report.refusals == []


def test_check_project_other_split_tags_and_one_tag_for_both(root):
    _add(root, "1.png", _object(), tags=["a"])
    assert _check(root, train_tag="a", val_tag="b").images == {"a": 1, "all": 1}
    report = _check(root, train_tag="a", val_tag="a")
    assert (report.splits, report.images) == (("a", "neither", "all"), {"a": 1, "all": 1})
    assert "no image has the tag" not in check.format_report(report)
    assert "no image has the tag train or val" in check.format_report(_check(root))


def test_every_problem_of_an_annotation_is_named_with_its_object(root):
    objects = [
        _object("plum"),
        _object(points={"exterior": [[1, 1]], "interior": []}),
        _object(points={"exterior": [[9, 9], [12, 9], [12, 12]], "interior": []}),
        _object("pear", geometryType="mesh"),
        _object(points=None),
        _object(tags=[{"name": "ripe", "value": "maybe"}, "sweet"]),
    ]
    _add(root, "1.png", *objects, tags=["train", {"name": "val", "value": 3}])
    where = "ds/ann/1.png.json: "
    problems = _problems(root)
    assert [is_error for is_error, _ in problems] == [True, True] + [False] * 6
    starts = [
        "object 0: class 'plum' is not in",
        "object 4: `points` must be",
        "the image has the tag 'val', whose value must be none, got 3",
        "object 1 ('apple'): a polygon needs 3 points, it has 1; it is drawn as a point",
        "object 2 ('apple'): it covers no pixel",
        "object 3 ('pear'): the shape mesh cannot be drawn",
        "object 5 ('apple'): it has the tag 'ripe', whose value must be oneof_string of ['yes', 'no'], got 'maybe'",
        "object 5 ('apple'): it has the tag 'sweet', which meta.json does not declare",
    ]
    for (_, text), start in zip(problems, starts, strict=True):
        assert text.startswith(where + start)


def test_format_report_writes_one_line_for_a_mistake_of_many_files(root):
    for number in range(4):
        tag = {"name": "ripe", "value": f"{number} days"}
        _add(root, f"{number}.png", _object("plum"), _object("plum"), _object(tags=[tag]), tags=["train"])
        (_add(root, f"{number + 4}.png", dataset=f"ds{number}") / "ann" / f"{number + 4}.png.json").unlink()
    report = _check(root)
    lines = [line.replace(f"{root}/", "") for line in check.format_report(report).splitlines()]
    there = "is not in the project's meta.json (there: pear, apple); add it there"
    rule = "whose value must be oneof_string of ['yes', 'no'], got '0 days'"
    assert lines[-5:] == [
        "13 errors, 4 warnings",
        "error: 4 times, e.g. image 4.png in data set ds0 has no annotation file; expected ds0/ann/4.png.json",
        f"error: 8 times in 4 files, e.g. ds/ann/0.png.json: object 0: class 'plum' {there}",
        f"warning: 4 times in 4 files, e.g. ds/ann/0.png.json: object 2 ('apple'): it has the tag 'ripe', {rule}",
        "similar problems are shown as one line with their count; --all shows each",
    ]
    every = check.format_report(report, every=True).splitlines()
    assert sum(line.startswith(("error: ", "warning: ")) for line in every) == 16


def test_problems_of_files_are_errors(root):
    folder = _add(root, "1.png")
    (folder / "img" / "1.png").write_bytes(b"no image")
    (_add(root, "2.png") / "ann" / "2.png.json").write_text("{")
    (_add(root, "3.png") / "ann" / "3.png.json").unlink()
    cv2.imwrite(str(folder / "img" / "4.tif"), np.zeros((4, 6), np.float32))
    (folder / "ann" / "4.tif.json").write_text((folder / "ann" / "1.png.json").read_text())
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    content = cv2.imencode(".png", noise)[1].tobytes()
    (_add(root, "5.png", size=(64, 64)) / "img" / "5.png").write_bytes(content[: len(content) // 2])
    problems = _problems(root)
    assert all(is_error for is_error, _ in problems)
    assert [text.split(" (")[0][:45] for _, text in problems] == [
        "image 3.png in data set ds has no annotation ",
        "cannot decode the image ds/img/1.png: it is c",
        "ds/ann/2.png.json is not valid JSON: Expectin",
        "the image ds/img/4.tif must have 8 or 16 bits",
        "cannot decode the image ds/img/5.png: it is c",
    ]


def test_check_item_sizes_are_compared(root):
    _add(root, "1.png", size=(None, None))
    _add(root, "2.png", size=(6, 4))
    _add(root, "3.jpg", size=(6, 4), exif=6)
    _add(root, "4.jpg", size=(4, 6), exif=6)
    assert _problems(root) == [
        (True, "ds/ann/2.png.json: `size` is 6x4 pixels (height x width), the image has 4x6"),
        (
            False,
            "ds/ann/4.jpg.json: the image's EXIF block turns it but the annotation does not: it is used unturned",
        ),
    ]


def test_check_item_no_canvas_is_made_of_a_size_that_only_the_annotation_claims(root):
    everywhere = {"exterior": [[0, 0], [10**9, 0], [10**9, 10**9]], "interior": []}
    folder = _add(root, "1.png", _object(points=everywhere), size=(10**9, 10**9))
    assert [text.split(" (")[0] for _, text in _problems(root)] == [
        "ds/ann/1.png.json: `size` is 1000000000x1000000000 pixels"
    ]
    (folder / "img" / "1.png").write_bytes(b"no image")
    assert [text.split(":")[0] for _, text in _problems(root)] == ["cannot decode the image ds/img/1.png"]


def test_check_project_what_the_project_leaves_out_is_a_warning(root):
    folder = _add(root, "1.png")
    (folder / "img" / "2.heic").touch()
    (folder / "ann" / "3.png.json").write_text("{}")
    assert [(is_error, text[:68]) for is_error, text in _problems(root)] == [
        (False, "data set ds has files that are passed over: 1 .heic files (2.heic; c"),
        (False, "data set ds has 1 annotation files without an image (3.png.json)"),
    ]


def test_a_project_without_images_has_a_report(root):
    report = _check(root)
    assert [problem.text for problem in report.problems] == [
        f"the project {root} has no images; put them into {root}/<data set>/img"
    ]
    assert report.errors == 1
    assert "data sets: none" in check.format_report(report)


def test_main_a_folder_without_a_project_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no project in"):
        _check(tmp_path)


def test_what_training_would_refuse_is_told(root):
    _add(root, "1.png", _object(), tags=["train"])
    _add(root, "2.png", tags=["val"])
    report = _check(root)
    assert report.errors == 0
    assert report.refusals == ["the validation set has no object of a class to learn in its 1 images; annotate some"]
    _add(root, "2.png", _object(tags=["iscrowd"]), tags=["val"])
    assert _check(root).refusals == report.refusals
    _add(root, "2.png", _object(), tags=["val"])
    assert _check(root).refusals == []


def test_the_sizes_and_classes_of_a_train_config_count(root):
    # objects of 4 x 4 of the image's 4 x 6 pixels, which is enlarged to 64 x 96: none vanishes; the pear is neutral
    _add(root, "1.png", _object(), _object("pear", geometryType="polygon"), tags=["train", "val"])
    config = load_train_config(
        {
            "input_size": {"min_dim": 64, "max_dim": 128},
            "special_classes": {"neutral": "pear"},
            "model": {"max_gt_instances": 1},
        }
    )
    text = check.format_report(_check(root, config=config))
    assert "model input: 128x128 pixels" in text
    assert "training set: 0 crowds and 1 neutral object taken as regions to ignore" in text
    assert "validation set: 1 image with more than 1 object, the most is 2 in ds/1.png" in text
    assert "no object of" not in text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "64x128 (rectangles with 50% as many pixels as squares) ("),
        ({"augmentation": [{"name": "Fliplr"}]}, "squares); squares if `augmentation` changes image sizes ("),
        ({"input_size": {"min_dim": 64, "max_dim": 128, "shape": "square"}}, "128x128 pixels ("),
        ({"weights_init_type": "transfer_learning"}, "128x128 pixels ("),  # the start weights decide
    ],
)
def test_format_report_names_the_shapes_of_the_model_input(root, changes, text):
    _add(root, "1.png", _object(), tags=["train", "val"])  # 4 x 6 pixels, enlarged to 64 x 96
    config = {"input_size": {"min_dim": 64, "max_dim": 128}, "weights_init_type": "random", **changes}
    report = check.format_report(_check(root, config=load_train_config(config)))
    assert f"{text}`input_size` of --config" in report
    assert "model input: " in report


def test_check_project_counts_bound_keypoints_as_a_part_of_their_object(root):
    nodes = {"a": {"loc": [1, 1]}}
    graph = {"classTitle": "pear", "tags": [], "nodes": nodes, "geometryType": "graph"}
    bound = _object("pear", geometryType="polygon", instance="x"), {**graph, "instance": "x"}
    _add(root, "1.png", *bound, tags=["train", "val"])
    report = _check(root)
    assert (report.thin, report.objects["pear", "all"], report.shapes) == (0, 1, {"polygon": 1, "graph": 1})
    assert report.sets["train"].objects == {"pear": 1}
    _add(root, "2.png", graph, tags=["train"])
    assert "1 object without area" in check.format_report(_check(root))


def test_objects_of_stuff_classes_are_not_counted_as_objects_to_learn(root):
    _add(root, "1.png", _object(), _object("pear", geometryType="polygon"), tags=["train", "val"])
    found = []
    for stuff in ([], ["pear"]):
        report = _check(root, config=load_train_config({"special_classes": {"stuff": stuff}}))
        found.append(dict(report.sets["train"].objects))
        assert "no object of" not in check.format_report(report)
    assert found == [{"apple": 1, "pear": 1}, {"apple": 1}]
