"""A project with boxes and points in place of masks."""

import json

import cv2
import numpy as np
import pytest

from mrcnn.__main__ import main
from mrcnn.convert import points
from mrcnn.convert.points import Rules
from mrcnn.errors import UserError
from mrcnn.fields.mask_points import MaskPoints
from mrcnn.project.annotation import Annotation, Label, Tag
from mrcnn.project.geometry import Bitmap, Graph, Point, Rectangle
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.project.reader import Project
from mrcnn.project.writer import ProjectWriter
from tests.train.conftest import HeardLog

RING = np.ones((8, 10), bool)
RING[2:6, 3:7] = False  # a hole of 4 x 4 in 8 x 10 pixels: 16 of 80 are background
AT = (5, 6)  # x and y of the first pixel
RAW = {"points": {"exterior": [], "interior": []}, "geometryType": "bitmap", "id": 4}  # as a platform exports it


@pytest.fixture
def source(tmp_path):
    """Writes a project of a training and a validation image with the same objects."""
    graph = Label("cat", Graph({"a": {"loc": [7, 8]}}), extra={"instance": "x"})
    labels = (
        Label("cat", Bitmap(AT, RING), (Tag("old"), Tag("background")), extra={**RAW, "instance": "x"}),
        graph,
        Label("cat", Bitmap((20, 20), RING), (Tag("iscrowd"),)),
        Label("dark", Bitmap((1, 1), RING)),
        Label("cat", Bitmap((200, 200), RING)),  # outside the image
    )
    meta = ProjectMeta((ClassMeta("cat", "any"), ClassMeta("dark")))
    png = cv2.imencode(".png", np.zeros((40, 50, 3), np.uint8))[1].tobytes()
    with ProjectWriter(tmp_path / "source", meta) as writer:
        for name in ("train", "val"):
            writer.add("ds", f"{name}.png", png, annotation=Annotation((40, 50), (Tag(name),), labels))
    return tmp_path / "source"


def read(folder):
    """Reads the labels of the training and of the validation image."""
    project = Project.open(folder)
    return [item.read_annotation(project.meta).labels for item in project.items]


def test_convert_makes_boxes_with_points_and_keeps_the_masks_of_the_validation(source, tmp_path):
    rules = Rules(points=20, kept=("dark",))
    counts = points.convert(source, tmp_path / "out", log=HeardLog(), rules=rules)
    assert counts == {"images": 2, "images_with_masks": 1, "objects": 2, "left": 6}
    train, val = read(tmp_path / "out")
    shapes = [label.geometry.shape for label in train]
    assert shapes == ["rectangle", "graph", "bitmap", "bitmap", "bitmap"]
    assert [label.geometry.shape for label in val] == ["bitmap", *shapes[1:]]
    box = train[0]
    assert box.geometry.corners.tolist() == [[5, 6], [14, 13]]  # both pixels belong to it: 10 wide, 8 high
    assert box.geometry.to_mask(40, 50)[0].shape == RING.shape
    assert (box.instance, box.extra["id"], box.has_tag("old")) == ("x", 4, True)
    assert {label.class_title: item.shape for item in Project.open(tmp_path / "out").meta.classes for label in train
            if item.title == label.class_title} == {"cat": "any", "dark": "bitmap"}  # fmt: skip
    for label in (box, val[0]):
        value = MaskPoints().from_figures([label])
        assert value.shape == (20, 3)
        columns, rows = (value[:, :2] - 0.5 - AT).astype(int).T
        assert value[:, 2].tolist() == RING[rows, columns].astype(float).tolist()
        assert 0 < value[:, 2].sum() < 20


def test_convert_draws_the_same_points_for_the_same_seed_alone(source, tmp_path):
    drawn = []
    for number, seed in enumerate((0, 0, 1)):
        folder = tmp_path / str(number)
        points.convert(source, folder, log=HeardLog(), rules=Rules(seed=seed))
        drawn.append([label.extra["point_coords"] for label in read(folder)[0] if "point_coords" in label.extra])
    assert drawn[0] == drawn[1] != drawn[2]
    assert [len(each) for each in drawn[0]] == [10, 10]  # of the cat and of the dark object


def test_convert_again_replaces_the_points(source, tmp_path):
    points.convert(source, tmp_path / "a", log=HeardLog(), rules=Rules(points=3))
    points.convert(source, tmp_path / "b", log=HeardLog(), rules=Rules(points=4, as_figures=True))
    for folder in ("a", "b"):
        points.convert(tmp_path / folder, tmp_path / f"{folder}2", log=HeardLog(), rules=Rules(points=5))
        train, val = (Annotation(None, (), labels).objects() for labels in read(tmp_path / f"{folder}2"))
        assert len(MaskPoints().from_figures(val[0])) == 5
        assert len(MaskPoints().from_figures(train[0])) == (3 if folder == "a" else 4)  # a box stays as it is


def test_convert_writes_figures_of_points(source, tmp_path):
    rules = Rules(points=12, as_figures=True, masks_of=())
    points.convert(source, tmp_path / "figures", log=HeardLog(), rules=rules)
    points.convert(source, tmp_path / "keys", log=HeardLog(), rules=Rules(points=12, masks_of=()))
    values = []
    for name in ("figures", "keys"):
        project = Project.open(tmp_path / name)
        annotation = project.items[0].read_annotation(project.meta)
        found = annotation.objects()[0]
        assert [label.geometry.shape for label in found[:2]] == ["rectangle", "graph"]
        assert len(found) == (14 if name == "figures" else 2)
        values.append(MaskPoints().from_figures(found).tolist())
        assert [len(each) for each in annotation.objects()] == [len(found), 1, 13 if name == "figures" else 1, 1]
    assert values[0] == values[1]
    assert Project.open(tmp_path / "figures").meta.find_tag("background") is not None


def test_draw_points_are_uniform_in_the_box():
    drawn = points.draw_points(RING, (6, 5), count=8000, rng=np.random.default_rng(0))
    assert drawn.box == (6, 5, 14, 15)
    columns, rows = (drawn.points[:, :2] - 0.5 - AT).astype(int).T
    assert np.bincount(rows * 10 + columns, minlength=80).min() > 60  # 100 each are expected
    # 64 of 80 pixels are the object's: 0.8, within 4 standard deviations of 0.4 / sqrt(8000)
    assert drawn.points[:, 2].mean() == pytest.approx(0.8, abs=0.018)


def test_draw_points_of_one_pixel():
    drawn = points.draw_points(np.ones((1, 1), bool), (3, 2), count=2, rng=np.random.default_rng(0))
    assert drawn.points.tolist() == [[2.5, 3.5, 1]] * 2


def test_convert_of_an_object_of_one_point(tmp_path):
    label = Label("dot", Point([[3, 2]]))
    png = cv2.imencode(".png", np.zeros((8, 9, 3), np.uint8))[1].tobytes()
    with ProjectWriter(tmp_path / "source", ProjectMeta((ClassMeta("dot", "point"),))) as writer:
        writer.add("ds", "a.png", png, annotation=Annotation(None, (), (label,)))
    points.convert(tmp_path / "source", tmp_path / "out", log=HeardLog(), rules=Rules(points=1))
    ((made,),) = read(tmp_path / "out")
    assert isinstance(made.geometry, Rectangle)
    assert (made.extra["point_coords"], made.extra["point_labels"]) == ([[3, 2]], [1])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (Rules(points=0), "--points must be 1 or more, got 0"),
        (Rules(kept=("dog",)), r"--keep-class must be a class of the project, got 'dog' \(there: cat, dark\)"),
    ],
)
def test_convert_refuses_in_one_line(source, tmp_path, rules, message):
    with pytest.raises(UserError, match=message):
        points.convert(source, tmp_path / "out", log=HeardLog(), rules=rules)
    assert not (tmp_path / "out").exists()


def test_main(source, tmp_path, capsys):
    arguments = ["convert", "points", str(source), str(tmp_path / "out"), "--points", "2", "--seed", "5"]
    assert main([*arguments, "--keep-masks", "--keep-class", "dark"]) == 0
    assert "2 images, 0 of them with masks; 2 points for each of 2 objects; 6 objects as before" in (
        " ".join(capsys.readouterr().err.split())
    )
    content = json.loads((tmp_path / "out/ds/ann/val.png.json").read_text())
    assert content["objects"][0]["geometryType"] == "rectangle"
    assert len(content["objects"][0]["point_coords"]) == 2
