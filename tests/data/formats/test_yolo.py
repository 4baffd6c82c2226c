"""YOLO segmentation labels as Ultralytics and Roboflow lay them out."""

import numpy as np
import pytest

from mrcnn.data.formats import yolo
from mrcnn.errors import UserError
from tests.data.formats import making
from tests.data.formats.making import HEIGHT, SQUARE, WIDTH

ROW = "1 " + " ".join(f"{x / WIDTH:.10f} {y / HEIGHT:.10f}" for x, y in SQUARE)
BOX = f"0 {15 / WIDTH:.8f} {10 / HEIGHT:.8f} {10 / WIDTH:.8f} {10 / HEIGHT:.8f}"  # the box of SQUARE


def roboflow(root):
    """Lays out an export of Roboflow: a folder for each split, and paths that begin one folder too high."""
    for split in ("train", "valid"):
        making.image(root / split / "images" / f"{split}.png")
        making.write(root / split / "labels" / f"{split}.txt", ROW)
    text = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: ['bg thing', 'cat']\n"
    making.write(root / "data.yaml", text + "roboflow:\n  workspace: w\n")


@pytest.mark.parametrize("name", [".", "data.yaml"])
def test_read_an_export_of_roboflow(tmp_path, name):
    roboflow(tmp_path)
    (train, val), report = making.read("yolo", tmp_path / name)
    assert (train.dataset, train.name, train.split, val.split) == ("train_images", "train.png", "train", "val")
    np.testing.assert_array_equal(making.drawn(train.annotation.labels[0]), making.square())
    assert report.classes == ("bg thing", "cat")
    assert report.tally.lines() == ["1 split left out, its folder is not there: test: ../test/images"]


def test_read_the_layout_of_ultralytics(tmp_path):
    """`path` of another machine, names by number, a list of folders, a text file of images, labels beside images."""
    making.image(tmp_path / "images" / "train" / "sub" / "a.png")
    making.write(tmp_path / "labels" / "train" / "sub" / "a.txt", f"{ROW}\n\n{BOX}\n")
    making.image(tmp_path / "images" / "more" / "b.png")
    making.image(tmp_path / "plain" / "c.png")
    making.write(tmp_path / "plain" / "c.txt", ROW.replace("1 ", "1.0 ", 1))
    making.write(tmp_path / "val.txt", "./plain/c.png\n./plain/gone.png\n/content/data/images/more/b.png\n")
    making.write(
        tmp_path / "coco8-seg.yaml",
        "path: /content/datasets/x\ntrain:\n  - images/train\n  - images/more\n"
        "val: val.txt\nnames:\n  0: dog\n  1: cat\n",
    )
    (a, b, c), report = making.read("yolo", tmp_path, boxes_as_masks=True)  # b is listed twice, found by its ending
    assert making.objects(a) == [("cat", 100, []), ("dog", 100, [])]
    assert (b.annotation.labels, b.split) == ((), "train")
    assert (making.objects(c), c.split) == ([("cat", 100, [])], "val")
    assert report.lost_images == 2
    assert f"2 images {yolo.NO_LABELS.removeprefix('image ')}: b.png; b.png" in report.tally.lines()


def test_read_a_folder_without_a_yaml_file(tmp_path):
    making.image(tmp_path / "images" / "val" / "a.png")
    making.write(tmp_path / "labels" / "val" / "a.txt", ROW)
    making.write(tmp_path / "classes.txt", "dog\ncat\n")
    assert yolo.fits(tmp_path)
    (item,), _ = making.read("yolo", tmp_path)
    assert (making.objects(item), item.split) == ([("cat", 100, [])], "val")
    (tmp_path / "classes.txt").unlink()
    with pytest.raises(UserError, match=r"names no classes; `names` in its data\.yaml must be a list"):
        making.read("yolo", tmp_path)


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("x 0.1 0.1 0.2 0.1 0.2 0.2", "its row is malformed: a.txt object in line 2 (could not convert"),
        ("7 0.1 0.1 0.2 0.1 0.2 0.2", "its class number has no name: a.txt object in line 2 (7)"),
        ("0.5 0.1 0.1 0.2 0.1 0.2 0.2", "its class number has no name: a.txt object in line 2 (0.5)"),
        ("nan 0.1 0.1 0.2 0.1 0.2 0.2", "its class number has no name: a.txt object in line 2 (nan)"),
        ("1 0.1 0.1 0.2 0.1 0.2 0.2 0.3", "its row is malformed: a.txt object in line 2 (7 numbers after the class"),
        ("1", "its row is malformed: a.txt object in line 2 (0 numbers"),
        ("1 10 5 20 5 20 15", "its numbers are no fractions of the image: a.txt object in line 2 (one is 20.0)"),
        ("1 nan 0.1 0.2 0.1 0.2 0.2", "its numbers are no fractions of the image: a.txt object in line 2"),
        (ROW, "its row is there twice: a.txt object in line 2"),
        (BOX, "a box without a mask (--boxes-as-masks takes the whole box): a.txt object in line 2"),
    ],
)
def test_read_names_a_broken_row_and_keeps_the_others(tmp_path, row, line):
    making.image(tmp_path / "images" / "a.png")
    making.write(tmp_path / "labels" / "a.txt", f"{ROW}\n{row}")
    making.write(tmp_path / "data.yaml", "train: images\nnames: [dog, cat]")
    (item,), report = making.read("yolo", tmp_path)
    assert making.objects(item) == [("cat", 100, [])]
    assert report.tally.lines()[0].startswith(f"1 object left out, {line}")


def test_read_a_split_that_is_the_folder_itself(tmp_path):
    making.image(tmp_path / "a.png")
    making.write(tmp_path / "a.txt", ROW)
    making.write(tmp_path / "data.yaml", "train: .\nnames: [dog, cat]")
    (item,), _ = making.read("yolo", tmp_path)
    assert (item.split, making.objects(item)) == ("train", [("cat", 100, [])])


def test_read_allows_points_just_outside_the_image(tmp_path):
    making.image(tmp_path / "images" / "a.png")
    making.write(tmp_path / "labels" / "a.txt", "0 -0.005 0 1.005 0 1.005 1 -0.005 1")
    making.write(tmp_path / "data.yaml", "train: images\nnames: [dog]")
    (item,), _ = making.read("yolo", tmp_path)
    assert making.objects(item) == [("dog", HEIGHT * WIDTH, [])]


def test_read_a_label_file_that_is_no_text(tmp_path):
    for name in ("a", "b"):
        making.image(tmp_path / "images" / f"{name}.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_bytes(b"\xff\xfe\x00")
    making.write(tmp_path / "labels" / "b.txt", ROW)
    making.write(tmp_path / "data.yaml", "train: images\nnames: [dog, cat]")
    items, report = making.read("yolo", tmp_path)
    assert ([item.name for item in items], report.lost_images) == (["b.png"], 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [a\n", "is not valid YAML"),
        ("- names\n", "must have keys such as `names`"),
        ("train: x\nnames: 3\n", "names no classes"),
        ("train: x\nnames: {a: b}\n", "names no classes"),
        ("names: !!python/object/apply:os.system ['true']\n", "is not valid YAML"),
    ],
)
def test_read_yaml_and_class_names_refuse(tmp_path, text, message):
    path = making.write(tmp_path / "data.yaml", text)
    with pytest.raises(UserError, match=message):
        list(yolo.class_names(yolo.read_yaml(path), tmp_path, path))


def test_read_uses_no_folder_outside(tmp_path):
    making.image(tmp_path / "images" / "a.png")
    making.write(tmp_path / "labels" / "a.txt", ROW)
    making.write(tmp_path / "in" / "data.yaml", "train: ../images\nnames: [dog, cat]")
    with pytest.raises(UserError, match=r"no image of .* can be used: 1 split left out, its folder is not there"):
        making.read("yolo", tmp_path / "in")


def test_read_lists_name_nothing_outside(tmp_path):
    outside = making.image(tmp_path / "a.png")
    making.write(tmp_path / "in" / "list.txt", f"{outside}\n../a.png\n")
    making.write(tmp_path / "in" / "data.yaml", "train: list.txt\nnames: [dog]")
    with pytest.raises(UserError, match=r"no image of .* can be used: 2 images left out"):
        making.read("yolo", tmp_path / "in")


def test_read_refuses_a_folder_of_images(tmp_path):
    roboflow(tmp_path)
    with pytest.raises(UserError, match=r"--images .* has no effect: .* says where the images of YOLO labels are"):
        making.read("yolo", tmp_path, images=tmp_path)


def test_fits_what_is_yolo(tmp_path):
    assert not yolo.fits(tmp_path)
    making.write(tmp_path / "a.yaml", "steps: 3")
    assert not yolo.fits(tmp_path)
    assert yolo.fits(making.write(tmp_path / "z.yml", "train: x\nnames: [a]"))
    assert yolo.fits(tmp_path)
