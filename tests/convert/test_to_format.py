"""Data in the label formats of other tools: names, splits, predictions, losses, and what the command says."""

import io
import json

import cv2
import numpy as np
import pytest
from defusedxml import ElementTree

from mrcnn import __main__ as command
from mrcnn.annotate import coco_results
from mrcnn.convert import to_format
from mrcnn.data.sources.source import DataPaths
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.images import image_file
from mrcnn.project.annotation import Annotation, Tag
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.project.writer import ProjectWriter
from tests import projects
from tests.convert.writers import making
from tests.data.coco import cases
from tests.data.formats import making as labels

SIZE = making.HEIGHT, making.WIDTH
SQUARE, HOLE = making.SHAPES["square"], making.SHAPES["hole"]


def convert(path, out, kind="coco", *, images=None, **plan):
    """Converts data; returns the losses, the number of images and the messages."""
    stream = io.StringIO()
    losses, count = to_format.convert(
        DataPaths(path, images), out, log=JsonLog(stream), plan=to_format.Plan(kind, **plan)
    )
    return losses, count, [json.loads(line)["message"] for line in stream.getvalue().splitlines()]


def read(path):
    """Reads a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def tree(folder):
    """Lists the files below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_convert_writes_each_split_and_links_the_images(tmp_path):
    project = making.odd_project(tmp_path / "project")
    losses, count, _ = convert(project, tmp_path / "out")
    assert tree(tmp_path / "out") == [
        "annotations/instances_test.json",
        "annotations/instances_train.json",
        "annotations/instances_val.json",
        "test/last/c.png",
        "train/one/a.png",
        "train/one/two three/empty.png",
        "val/one/two three/a photo.b.png",
    ]
    assert (tmp_path / "out/train/one/a.png").samefile(project / "one/img/a.png")
    assert count == 4
    assert losses.kept == {"cat": 7 + 2, "dog": 7 + 1 + 1 + 1}
    assert losses.lines() == []
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == ["out"]


def test_convert_of_other_tags(tmp_path):
    project = making.project(tmp_path / "project", [("ds", f"{name}.png", name, []) for name in ("old", "new")])
    convert(project, tmp_path / "out", "yolo", split_tags={"train": "old", "val": "new"})
    assert tree(tmp_path / "out/images") == ["train/old.png", "val/new.png"]
    convert(project, tmp_path / "coco")
    assert read(tmp_path / "coco/annotations/instances.json")["images"][0]["attributes"] == {"new": True}


def test_convert_an_image_of_two_splits_is_in_the_first(tmp_path):
    picture = making.photograph(tmp_path / "a.png")
    with ProjectWriter(tmp_path / "project", ProjectMeta((ClassMeta("cat"),))) as writer:
        annotation = Annotation(SIZE, (Tag("val"), Tag("train"), Tag("rain")), (making.label(SQUARE),))
        writer.add("ds", "a.png", picture, annotation=annotation)
    losses, _, _ = convert(tmp_path / "project", tmp_path / "out", "labelme")
    assert losses.lines() == [f"1 {to_format.SECOND_SPLIT}: val 1"]
    assert read(tmp_path / "out/train/a.json")["flags"] == {"rain": True}


@pytest.mark.parametrize(("kind", "names"), [("labelme", ["a.jpg", "a_2.png"]), ("cvat", ["a.jpg", "a.png"])])
def test_convert_renames_images_of_one_stem(tmp_path, kind, names):
    made = [("ds", name, None, [making.label(SQUARE)]) for name in ("a.jpg", "a.png")]
    losses, _, _ = convert(making.project(tmp_path / "project", made), tmp_path / "out", kind)
    images = sorted(path.name for path in (tmp_path / "out").rglob("a*g"))
    assert images == names
    assert losses.lines() == ([f"1 {to_format.RENAMED}: a.png is a_2.png"] if kind == "labelme" else [])


def test_convert_an_image_with_an_exif_turn_is_upright(tmp_path):
    picture = making.photograph(tmp_path / "a.jpg", height=30, width=50, orientation=making.QUARTER_TURN)
    upright = making.boxes((1, 28, 4, 30), height=50, width=30)
    stored = making.boxes((0, 1, 2, 4), height=30, width=50)  # the same pixels before the turn
    with ProjectWriter(tmp_path / "project", ProjectMeta((ClassMeta("cat"),))) as writer:
        for name, canvas in (("a.jpg", upright), ("b.jpg", stored)):
            annotation = Annotation(canvas.shape, (), (making.label(canvas),))
            writer.add("ds", name, picture, annotation=annotation)
    for kind in ("labelme", "yolo", "cvat"):
        convert(tmp_path / "project", tmp_path / kind, kind)
        found = making.found(tmp_path / kind, titles=("cat",))
        for name in ("a.jpg", "b.jpg"):
            np.testing.assert_array_equal(found[name][0][2], upright)
    convert(tmp_path / "project", tmp_path / "coco")
    sizes = {(item["height"], item["width"]) for item in read(tmp_path / "coco/annotations/instances.json")["images"]}
    assert sizes == {(50, 30)}
    assert image_file.sizes(image_file.read_bytes(tmp_path / "coco/images/a.jpg"), name="a").upright_hw == (50, 30)


def test_convert_leaves_out_images_that_cannot_be_used(tmp_path):
    project = making.project(tmp_path / "project", [("ds", f"{name}.png", None, []) for name in "abcd"])
    (project / "ds/ann/a.png.json").write_text("{")
    (project / "ds/img/b.png").unlink()
    (project / "ds/img/b.png").write_bytes(b"no image")
    content = read(project / "ds/ann/c.png.json")
    (project / "ds/ann/c.png.json").write_text(json.dumps({**content, "size": {"height": 41, "width": 60}}))
    losses, count, messages = convert(project, tmp_path / "out")
    assert (count, losses.lost_images) == (1, 3)
    assert f"2 images left out, {to_format.BAD_IMAGE}" in " ".join(messages)
    assert "c.png says 41x60, has 40x60" in " ".join(messages)
    assert f"1 image left out, {to_format.BAD_ANNOTATION}" in " ".join(messages)
    for name in "cd":
        (project / f"ds/img/{name}.png").unlink()
        (project / f"ds/img/{name}.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"no image of .*project can be used: 1 image left out, its annotation"):
        convert(project, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert not (tmp_path / "none.partial").exists()


def test_convert_refuses_an_output_with_files_and_what_is_no_data(tmp_path):
    project = making.project(tmp_path / "project", [("ds", "a.png", None, [])])
    with pytest.raises(UserError, match="must be new or an empty folder"):
        convert(project, project)
    with pytest.raises(UserError, match="in none of the known formats"):
        convert(tmp_path / "project_picture", tmp_path / "out")


def test_convert_an_annotated_project_keeps_scores_where_there_is_a_place(tmp_path):
    found = [making.label(HOLE, "cat", Tag("confidence", 0.9123)), making.label(SQUARE, "dog", Tag("confidence", 0.5))]
    project = making.project(tmp_path / "project", [("ds", "a.png", "train", found)])
    convert(project, tmp_path / "coco")
    written = read(tmp_path / "coco/annotations/instances_train.json")["annotations"]
    assert [item["score"] for item in written] == [0.9123, 0.5]
    convert(project, tmp_path / "labelme", "labelme")
    assert [item["score"] for item in read(tmp_path / "labelme/train/a.json")["shapes"]] == [0.9123, 0.5]
    losses, _, _ = convert(project, tmp_path / "yolo", "yolo")
    assert any(line.startswith("2 objects with a score,") and "cat 1, dog 1" in line for line in losses.lines())
    # CVAT has it as an attribute, which is read as a tag, which is a score again
    convert(project, tmp_path / "cvat", "cvat")
    convert(tmp_path / "cvat", tmp_path / "again")
    written = read(tmp_path / "again/annotations/instances_train.json")["annotations"]
    assert [item["score"] for item in written] == [0.9123, 0.5]


def test_convert_the_predictions_of_an_inference(tmp_path):
    making.photograph(tmp_path / "images/sub/a.png")
    results = coco_results.CocoResults(["bg", "cat", "dog"])
    entry = {"category_id": 2, "bbox": [10, 5, 10, 10], "score": 0.75}
    segmentation = coco_results.masks.encode_crop(HOLE[5:15, 10:20], (5, 10), size=SIZE)
    results.add("sub/a.png", SIZE, [{**entry, "segmentation": segmentation}])
    results.write(tmp_path / "predictions.json", tmp_path / "results.json")
    for kind in ("labelme", "cvat", "yolo"):
        convert(tmp_path / "predictions.json", tmp_path / kind, kind, images=tmp_path / "images")
        ((title, _, canvas),) = making.found(tmp_path / kind)["a.png"]
        assert title == "dog"
        np.testing.assert_array_equal(canvas, HOLE)
    assert read(tmp_path / "labelme/sub/a.json")["shapes"][0]["score"] == 0.75
    convert(tmp_path / "predictions.json", tmp_path / "coco", images=tmp_path / "images")
    again = read(tmp_path / "coco/annotations/instances.json")
    assert again["annotations"][0]["score"] == 0.75
    assert [(item["id"], item["name"]) for item in again["categories"]] == [(1, "cat"), (2, "dog")]


def test_convert_coco_keeps_crowds_attributes_keypoints_and_category_ids(tmp_path):
    person = {"id": 9, "name": "person", "supercategory": "x", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}
    made = cases.content(
        cases.annotation(1, category_id=9, keypoints=[3, 4, 2, 0, 0, 0], num_keypoints=1),
        cases.annotation(2, category_id=9, iscrowd=1, attributes={"occluded": True, "age": 3, "old": False}),
        categories=[person],
    )
    path, images = cases.write(tmp_path, made)
    losses, _, _ = convert(path, tmp_path / "out", images=images)
    content = read(tmp_path / "out/annotations/instances.json")
    assert content["categories"] == [person]
    first, second = content["annotations"]
    assert (first["keypoints"], first["num_keypoints"]) == ([3, 4, 2, 0, 0, 0], 1)
    assert first["segmentation"] == [cases.SQUARE]
    assert (second["iscrowd"], second["attributes"]) == (1, {"occluded": True, "age": "3"})
    assert losses.lines() == []
    losses, _, _ = convert(path, tmp_path / "yolo", "yolo", images=images)
    assert losses.lost == {"person": 1}
    assert any("keypoints" in line and line.endswith("person 1") for line in losses.lines())


def test_convert_a_label_format_and_keep_its_splits(tmp_path):
    for split in ("train", "valid"):
        labels.image(tmp_path / "in" / split / "images" / "a.png")
        labels.write(tmp_path / "in" / split / "labels" / "a.txt", "0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    labels.write(tmp_path / "in" / "data.yaml", "train: train/images\nval: valid/images\nnames: [cat]\n")
    _, count, _ = convert(tmp_path / "in", tmp_path / "out", "cvat")
    assert count == 2
    assert tree(tmp_path / "out/images") == ["train_images/a.png", "valid_images/a.png"]
    subsets = [image.get("subset") for image in ElementTree.parse(tmp_path / "out/annotations.xml").iter("image")]
    assert subsets == ["train", "val"]


def test_convert_roboflows_coco_export_keeps_its_splits(tmp_path):
    for split in ("train", "valid"):
        cases.write(tmp_path / split, cases.content(images=[cases.image(1, f"{split}.png")]), names=(f"{split}.png",))
        (tmp_path / split / "a.json").rename(tmp_path / split / "_annotations.coco.json")
        (tmp_path / split / "img" / f"{split}.png").rename(tmp_path / split / f"{split}.png")
    convert(tmp_path, tmp_path / "out", "yolo")
    assert tree(tmp_path / "out/images") == ["train/train.png", "val/valid.png"]


def test_convert_every_shape_of_a_project(tmp_path):
    project = projects.make_every_shape(tmp_path / "project")
    losses, count, messages = convert(project, tmp_path / "out", "cvat")
    assert count == 4
    assert losses.lost_images == 0
    assert losses.kept.total() > 15
    assert any("without an area, drawn one pixel wide" in line for line in messages)


def test_convert_hides_no_image(tmp_path):
    made = cases.content(images=[cases.image(1, ".hidden/.a.png")])
    path, images = cases.write(tmp_path, made, names=(".hidden/.a.png",))
    convert(path, tmp_path / "out", "labelme", images=images)
    assert tree(tmp_path / "out") == ["_.hidden/_.a.json", "_.hidden/_.a.png", "labels.txt"]


@pytest.mark.parametrize("given", [["--to", "yolo", "PROJECT"], ["PROJECT", "--to", "yolo"], ["PROJECT", "--to=yolo"]])
def test_main_says_what_is_written(tmp_path, capsys, given):
    project = making.odd_project(tmp_path / "project")
    words = [str(project) if word == "PROJECT" else word for word in given]
    assert command.main(["convert", *words, "--out", str(tmp_path / "out")]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "class objects left out" in told
    assert "dog 9 1" in told
    assert "4 images and 18 objects written as yolo, 0 images and 1 object left out" in told
    assert (tmp_path / "out/data.yaml").is_file()


def test_main_of_what_is_not_there(tmp_path, capsys):
    given = ["convert", "--to", "coco", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    assert command.main(given) == 1
    assert "does not exist" in capsys.readouterr().err


def test_main_with_tags_and_images(tmp_path):
    path, images = cases.write(tmp_path, cases.content(cases.annotation(1, score=0.5)))
    given = ["convert", "--to", "coco", str(path), "--images", str(images), "--out", str(tmp_path / "out")]
    assert command.main([*given, "--score-tag", "p", "--train-tag", "x"]) == 0
    (item,) = read(tmp_path / "out/annotations/instances.json")["annotations"]
    assert ("score" in item, item["attributes"]) == (False, {"confidence": 0.5})
    assert cv2.imread(str(tmp_path / "out/images/a.png")).shape[:2] == (cases.HEIGHT, cases.WIDTH)
