"""A run that was interrupted, and goes on."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.model_folder import precision
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.project.writer import ProjectWriter
from tests.predict import helpers

from .runs import events, run_on, tree


class Interrupting(Predictor):
    """Is interrupted instead of looking at a third image."""

    def detect(self, batch):
        self.seen = getattr(self, "seen", 0) + 1
        if self.seen == 3:
            raise KeyboardInterrupt
        return super().detect(batch)


def told(lines):
    """Returns what a run says at its end, without when and where it was written."""
    lines = [line for line in lines if not line["message"].startswith("written to ")]
    return [{key: value for key, value in line.items() if key != "timestamp"} for line in lines]


@pytest.mark.parametrize("kind", ["project", "folder"])
@pytest.mark.parametrize("mode", [{"name": "full_image"}, {"name": "roi", "save": True}])
def test_an_interrupted_run_goes_on_where_it_stopped(project, tmp_path, monkeypatch, capsys, kind, mode):
    source = sources.open_project(project)
    if kind == "folder":
        for index, name in enumerate("abc"):
            helpers.write_image(tmp_path / "photos" / f"{name}.png", 20, 30 + index, 50 * (index + 1))
        source = sources.open_images(tmp_path / "photos")
    config = {"model": {}, "mode": {**mode, "model_classes": {"add_suffix": "!"}}}
    run_on(source, tmp_path / "once", config=config)
    expected = told(events(capsys)[-5:])
    with pytest.raises(KeyboardInterrupt):
        run_on(source, tmp_path / "out", config=config, predictor=Interrupting)
    assert "2 of 3 images are in" in events(capsys)[-1]["message"]
    with pytest.raises(UserError, match="holds 2 images of an interrupted run"):
        run_on(source, tmp_path / "out", config=config)
    seen = []
    read = sources.read_annotated
    monkeypatch.setattr(
        sources, "read_annotated", lambda path, *args, **kwargs: seen.append(path.name) or read(path, *args, **kwargs)
    )
    summary = run_on(source, tmp_path / "out", config=config, resume=True)
    assert seen == ["c.png" if kind == "folder" else "a.png"]
    assert tree(tmp_path / "out") == tree(tmp_path / "once")
    assert (summary.images, summary.images_with) == (3, {"cat": 3, "dog": 3})
    lines = events(capsys)
    assert [line["current"] for line in lines if line["message"] == "progress"] == [3]
    assert told(lines[-5:]) == expected


def test_a_run_with_another_precision_is_not_continued(project, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_on(sources.open_project(project), tmp_path / "out", predictor=Interrupting)
    bundle = replace(helpers.make_bundle(), precision=precision.resolve("mixed_bfloat16"))
    with pytest.raises(UserError, match=r'other settings \(`precision` was "float32", is "mixed_bfloat16"\)'):
        run_on(sources.open_project(project), tmp_path / "out", resume=True, bundle=bundle)


def test_a_run_with_other_views_is_not_continued(project, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_on(sources.open_project(project), tmp_path / "out", predictor=Interrupting)
    config = {"model": {"tta": {"flip": False}}}
    with pytest.raises(UserError, match=r'other settings \(`config.tta` was null, is {"min_dims": null'):
        run_on(sources.open_project(project), tmp_path / "out", config=config, resume=True)


def test_a_run_with_other_weights_is_not_continued(project, tmp_path):
    class Weight:
        def __init__(self, value):
            self.value = value

        def numpy(self):
            return np.float32([self.value])

    def make_model(value):
        def model(batch, choices):
            return helpers.brightness_model(batch)

        model.weights = [Weight(value)]
        return helpers.make_bundle(model)

    with pytest.raises(KeyboardInterrupt):
        run_on(sources.open_project(project), tmp_path / "out", bundle=make_model(1.0), predictor=Interrupting)
    with pytest.raises(UserError, match=r"other settings \(`model.weights` was"):
        run_on(sources.open_project(project), tmp_path / "out", bundle=make_model(2.0), resume=True)
    summary = run_on(sources.open_project(project), tmp_path / "out", bundle=make_model(1.0), resume=True)
    assert summary.images == 3


def test_a_full_disk_ends_the_run_and_keeps_what_is_there(project, tmp_path, monkeypatch):
    add = ProjectWriter.add

    def fail(self, dataset, name, *args, **kwargs):
        if dataset == "ds2":
            raise UserError("cannot copy") from OSError(28, "No space left on device")
        return add(self, dataset, name, *args, **kwargs)

    monkeypatch.setattr(ProjectWriter, "add", fail)
    with pytest.raises(UserError, match="cannot copy"):
        run_on(sources.open_project(project), tmp_path / "out")
    monkeypatch.setattr(ProjectWriter, "add", add)
    assert run_on(sources.open_project(project), tmp_path / "out", resume=True).images == 3


def test_images_added_in_between_are_done_too(project, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_on(sources.open_project(project), tmp_path / "out", predictor=Interrupting)
    for name in ("0.png", "c.png"):
        helpers.write_image(project / "ds1" / "img" / name, 9, 9, 50)
        size = {"height": 9, "width": 9}
        (project / "ds1" / "ann" / f"{name}.json").write_text(json.dumps({"size": size, "tags": [], "objects": []}))
    source = sources.open_project(project)
    assert run_on(source, tmp_path / "out", resume=True).images == 5
    run_on(source, tmp_path / "once")
    assert tree(tmp_path / "out") == tree(tmp_path / "once")


@pytest.mark.parametrize("kind", ["project", "folder"])
def test_resuming_a_finished_run_has_nothing_to_do(project, tmp_path, capsys, kind):
    source = sources.open_project(project)
    if kind == "folder":
        helpers.write_image(tmp_path / "photos" / "a.png", 20, 30, 50)
        source = sources.open_images(tmp_path / "photos")
    run_on(source, tmp_path / "out")
    before = tree(tmp_path / "out")
    capsys.readouterr()
    run_on(source, tmp_path / "out", resume=True)
    first, last = events(capsys)
    count = len(source.entries)
    assert first["message"] == (
        f"nothing to do: {tmp_path / 'out' / source.name} is complete, {count} of the {count} images are in it; "
        "to apply another model or config, name another output"
    )
    assert last["message"] == "model applied"
    assert tree(tmp_path / "out") == before


def test_resuming_into_a_finished_project_of_other_images_is_refused(tmp_path):
    helpers.write_image(tmp_path / "photos" / "a.png", 20, 30, 50)
    run_on(sources.open_images(tmp_path / "photos"), tmp_path / "out")
    (tmp_path / "photos" / "a.png").rename(tmp_path / "photos" / "b.png")
    with pytest.raises(UserError, match="photos is a complete project without any of these 1 images"):
        run_on(sources.open_images(tmp_path / "photos"), tmp_path / "out", resume=True)
