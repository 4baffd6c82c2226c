import argparse

import cv2
import numpy as np
import pytest

from benchmarks import scenes
from mrcnn.project.annotation import Annotation
from mrcnn.project.reader import Project, read_json


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "project"
    scenes.main(["--out", str(folder), "--train", "4", "--val", "4", "--side", "128"])
    return Project.open(folder)


def _objects(item, meta):
    """The class and the full-size mask of each object."""
    annotation = Annotation.from_json(read_json(item.ann_path), meta)
    found = []
    for label in annotation.labels:
        mask, (y, x) = label.geometry.to_mask(*annotation.size_hw)
        canvas = np.zeros(annotation.size_hw, bool)
        canvas[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        found.append((label.class_title, canvas))
    return found


def test_make_scenes_draws_each_kind_for_training_and_validation(project):
    names = [item.name for item in project.items]
    assert sorted(name.split("_")[0] for name in names) == ["train"] * 4 + ["val"] * 4
    assert {name.split("_")[2] for name in names} == {f"{kind.name}.png" for kind in scenes.KINDS}


def test_make_scenes_keeps_each_kinds_number_and_classes(project):
    for item in project.items:
        (kind,) = [kind for kind in scenes.KINDS if kind.name in item.name]
        objects = _objects(item, project.meta)
        assert 1 <= len(objects) <= kind.count[1]
        assert {name for name, _ in objects} <= set(kind.classes)


def test_make_scenes_writes_visible_parts_alone(project):
    for item in project.items:
        masks = np.array([mask for _, mask in _objects(item, project.meta)])
        assert masks.sum(axis=0).max() == 1  # no pixel belongs to two objects
        assert masks.any(axis=(1, 2)).all()


def test_make_scenes_is_the_same_for_a_seed(project, tmp_path):
    scenes.make_scenes(tmp_path / "again", train=4, val=4, side=128, seed=0)
    for one, other in zip(project.items, Project.open(tmp_path / "again").items, strict=True):
        np.testing.assert_array_equal(cv2.imread(str(one.image_path)), cv2.imread(str(other.image_path)))
        assert read_json(one.ann_path)["objects"] == read_json(other.ann_path)["objects"]


def test_sticks_are_thin():
    stick = scenes._outline("stick", 100.0, np.random.default_rng(0))
    sides = np.linalg.norm(stick - np.roll(stick, 1, axis=0), axis=1)
    assert sides.max() == pytest.approx(100)
    assert 4 <= sides.min() <= 9  # from 4 to 9 % of the length


def test_draw_mixed_draws_a_project_in_the_output_folder(tmp_path):
    options = argparse.Namespace(out=tmp_path, train=2, val=1, side=64)
    assert scenes.draw_mixed(options) == tmp_path / "project"
    names = sorted(item.name for item in Project.open(tmp_path / "project").items)
    assert names == ["train_000_mixed.png", "train_001_mixed.png", "val_000_mixed.png"]
