"""Whole projects in and out through every mode, and through it again; MRCNN_PROJECTS names more of them."""

import pytest

from mrcnn.annotate import run
from mrcnn.config.load import load_inference_config
from mrcnn.data import check
from mrcnn.events import JsonLog
from mrcnn.images.pixels import read_image
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.project.reader import Project
from tests import projects

from . import helpers

LARGE = 500  # side of a window for photographs


@pytest.mark.parametrize("mode", projects.MODES)
def test_a_project_of_every_shape(tmp_path, mode):
    check_rounds(projects.make_every_shape(tmp_path / "source"), tmp_path, projects.mode_config(mode))


@pytest.mark.skipif(not projects.OWN, reason="MRCNN_PROJECTS names no project")
@pytest.mark.parametrize("path", projects.OWN, ids=str)
@pytest.mark.parametrize("mode", projects.MODES)
def test_projects_of_the_user(path, tmp_path, mode):
    check_rounds(path, tmp_path, projects.mode_config(mode, window=LARGE))


def check_rounds(path, tmp_path, config):
    """Applies a mode to a project, then to what came out."""
    before = Project.open(path)
    if config["mode"]["name"] == "bboxes":
        config["mode"]["from_classes"] = [item.title for item in before.meta.classes]  # not what the first round adds
    for number in (1, 2):
        summary = run.apply(
            Predictor(helpers.make_bundle()),
            sources.open_project(before.path),
            tmp_path / str(number),
            config=load_inference_config(config),
            log=JsonLog(),
            options=run.Options(batch_size=3),
        )
        after = Project.open(tmp_path / str(number))
        report = check.check_project(after.path, train_tag="train", val_tag="val")
        assert [problem.text for problem in report.problems if problem.is_error] == []
        assert (summary.images, summary.skipped) == (len(before.items), [])
        assert compare(before, after) == sum(map(len, summary.scores.values()))
        before = after


def compare(before, after):
    """Checks that all that was in a project is in another, in its order; gives how many detections were added."""
    assert after.meta.classes[: len(before.meta.classes)] == before.meta.classes
    number = 0
    for old_item, item in zip(before.items, after.items, strict=True):
        assert (old_item.dataset, old_item.name) == (item.dataset, item.name)
        assert old_item.image_path.read_bytes() == item.image_path.read_bytes()
        old, new = old_item.read_annotation(before.meta), item.read_annotation(after.meta)
        assert (old.tags, old.description, old.extra) == (new.tags, new.description, new.extra)
        assert new.size_hw == read_image(item.image_path).shape[:2]
        objects = iter(new.to_json()["objects"])
        assert all(label.to_json() in objects for label in old.labels)
        number += sum(map(is_detection, new.labels)) - sum(map(is_detection, old.labels))
        for label in filter(is_detection, new.labels):
            mask, (y, x) = label.geometry.to_mask(*new.size_hw)
            assert mask.shape == label.geometry.mask.shape  # nothing of it lies outside the image
            assert label.geometry.origin_xy == (x, y)
            (score,) = label.tags
            assert (score.name, score.value) == ("confidence found", round(score.value, 4))
    return number


def is_detection(label):
    return label.class_title.endswith(" found")
