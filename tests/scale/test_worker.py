"""A worker: the rows of a plain run, failed images, another model, and what a job records of its predictor."""

import dataclasses
import json
import os

import cv2
import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from mrcnn.config.load import load_inference_config
from mrcnn.errors import UserError
from mrcnn.predict.predictor import Predictor
from mrcnn.scale import failure, job, manifest, rows, worker
from mrcnn.scale.job import Counts, Work
from tests.predict import helpers
from tests.scale import toy

FULL = load_inference_config({})


@pytest.fixture
def started(tmp_path):
    """A started job of seven images, of which one is broken, in shards of three; and its work."""
    images = manifest.find([toy.write_images(tmp_path / "images", 7, broken=[4])])
    work = Work(str(tmp_path / "out"), "m", opener=toy.OPENER)
    return job.start(work.output, images, shard_size=3, facts={}), work


def test_predict_makes_the_rows_of_a_plain_run(tmp_path):
    paths = [str(tmp_path / f"{number}.png") for number in range(5)]
    for number, path in enumerate(paths):
        cv2.imwrite(path, helpers.grey_image(20 + 7 * number, 30, 50 * number))
    predictor = Predictor(helpers.make_bundle())
    expected = [rows.of_detections(path, predictor.predict_compact([path])[0]) for path in paths]
    assert len(expected[4]["scores"]) == 2  # the model finds something
    for size in (1, 3):
        assert worker.predict(predictor, paths, FULL, batch_size=size) == expected


def test_predict_uses_the_mode_of_the_config(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), helpers.grey_image(20, 30, 200))
    mode = {"name": "roi", "bounds": {"left": "10px", "top": "0px", "right": "0px", "bottom": "0px"}}
    config = load_inference_config({"mode": mode})
    [row] = worker.predict(Predictor(helpers.make_bundle()), [str(tmp_path / "a.png")], config, batch_size=1)
    assert row["boxes"][0] == [10.0, 0.0, 30.0, 20.0]  # x1 is where the region begins


def test_predict_names_why_an_image_failed(tmp_path, monkeypatch):
    toy.write_images(tmp_path, 3, broken=[1])
    paths = [str(tmp_path / f"{number:04d}.png") for number in (2, 1, 0)] + [str(tmp_path / "gone.png")]
    made = worker.predict(toy.BrightAreas("m"), paths, FULL, batch_size=2)
    assert [row["image"] for row in made] == paths
    assert [row["error"] for row in made] == [
        None,
        f"cannot decode the image {paths[1]}: it is cut off or in no known format",
        None,
        f"cannot read the image {paths[3]}: No such file or directory",
    ]
    assert worker.predict(toy.BrightAreas("m"), [], FULL, batch_size=2) == []


def test_predict_isolates_an_image_that_the_model_fails_on(tmp_path):
    class Fails(toy.BrightAreas):
        def finish(self, batches, raw):
            if any(image.shape[0] == 25 for image in raw[0]):  # the height of the second image
                raise ValueError("too odd")
            return super().finish(batches, raw)

    paths = sorted(str(path) for path in toy.write_images(tmp_path / "images", 4).iterdir())
    made = worker.predict(Fails("m"), paths, FULL, batch_size=4)
    assert [row["error"] for row in made] == [None, "ValueError: too odd", None, None]


def test_predict_ends_when_the_model_fails_on_a_blank_image_too(tmp_path):
    """The images that come before the loss of the device are used, so only a blank image can tell."""

    class Lost(toy.BrightAreas):
        def detect(self, batch):
            if self._seen == 2:
                raise RuntimeError("the device is gone")
            return super().detect(batch)

    paths = sorted(str(path) for path in toy.write_images(tmp_path / "images", 4).iterdir())
    with pytest.raises(failure.Lost) as error:
        worker.predict(Lost("m"), paths, FULL, batch_size=1)
    reason = f"{paths[2]} and on a blank image (RuntimeError: the device is gone) in process {os.getpid()} on "
    assert str(error.value).startswith(f"the model fails on {reason}")


def test_run_does_not_finish_a_shard_on_a_lost_device(started):
    found, work = started
    with pytest.raises(
        UserError, match=r"^the model fails on .*0000\.png and on a blank image .*; start the job again"
    ):
        worker.ShardWorker(dataclasses.replace(work, model="lost")).run(0)
    assert found.missing() == [0, 1, 2]


def test_run_lets_the_engine_repeat_a_shard_where_one_was_finished_before(started, monkeypatch):
    found, work = started
    monkeypatch.setenv("TOY_PROCESSES", found.place)
    one = worker.ShardWorker(dataclasses.replace(work, model="lost once"))
    assert one.run(0).failed == 0
    assert one.run(1).failed == 1  # image 4 is broken, so the model has seen five
    with pytest.raises(failure.Lost, match=r"^the model fails on .*0006\.png and on a blank image"):
        one.run(2)
    assert found.missing() == [2]


def test_run_writes_a_shard_once(started, monkeypatch):
    found, work = started
    one = worker.ShardWorker(work)
    # images 3, 4 (broken), 5: 3 % 4 = 3 and 5 % 4 = 1 areas
    assert one.run(1) == Counts(1, 3, 1, one.run(1).detections)
    assert sum(one.run(1).detections.values()) == 3 + 1
    assert found.missing() == [0, 2]
    monkeypatch.setattr(worker, "predict", None)
    assert one.run(1).failed == 1  # it is there, so nothing is predicted


def test_run_leaves_nothing_where_a_shard_cannot_be_written(started, monkeypatch):
    found, work = started

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worker.storage.files, "flush", full)
    with pytest.raises(UserError, match=r"cannot write the results .*: No space left on device"):
        worker.ShardWorker(work).run(0)
    assert worker.storage.names(f"{work.output}/shards") == set()
    assert found.missing() == [0, 1, 2]


def test_a_worker_refuses_another_model(started):
    _, work = started
    same = dataclasses.replace(work, identity=worker.describe(work).identity)
    assert worker.run_shard(same.to_json(), 0).images == 3
    other = dataclasses.replace(same, model="other")
    with pytest.raises(UserError, match=r"the model other of process \d+ is not the one that the job was started with"):
        worker.worker_of(other.to_json())


def test_describe_gives_plain_values(started):
    about = worker.describe(started[1])
    assert about.class_names == ("bg", "dim", "bright")
    assert about.class_metas[0] == {"title": "dim", "shape": "bitmap", "color": "#00FF00"}
    assert json.loads(about.identity) == {"model": {"weights": "m"}}
    assert (about.fields, about.maps) == ({}, ())
    assert about.lines == (("warn", "a toy"),)


def test_reading_in_threads_keeps_the_order(tmp_path):
    for number in range(30):
        cv2.imwrite(str(tmp_path / f"{number:02d}.png"), np.full((8 + number, 9, 3), 150, np.uint8))
    paths = sorted(map(str, tmp_path.iterdir()))
    made = worker.predict(toy.BrightAreas("m"), paths, FULL, batch_size=4)
    assert [row["height"] for row in made] == list(range(8, 38))
