"""Metrics that are defined in this file alone are in evaluation's results and in training, and can be monitored."""

import csv
import json

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mrcnn.commands import evaluate as command
from mrcnn.commands import paths
from mrcnn.config.load import load_train_config
from mrcnn.errors import UserError
from mrcnn.evaluate import run as scoring
from mrcnn.evaluate.metric import MetricKind
from mrcnn.evaluate.table import METRICS
from mrcnn.events import JsonLog
from mrcnn.model_folder import read
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.train import run
from tests.growth import offset_head
from tests.predict import helpers
from tests.train import fake, tiny
from tests.train.conftest import HeardLog

MARKS = {"disc": [3.0, -2.0], "bar": [0.0, 5.0]}  # (dy, dx) from the centre of the box
SEEN = []  # the marks of all objects that `MarkDistance` was given


class SameCount:
    """The share of images with as many detections as objects, of all classes and of each."""

    def __init__(self, class_names, *, max_detections, class_facts):
        self.counts = []  # of each image the detections and the objects, by class
        self.classes = len(class_names)

    def add(self, image_id, ground_truth, detections):
        objects = ground_truth.instances
        real = objects.class_ids[~objects.ignore]
        self.counts.append([np.bincount(ids, minlength=self.classes) for ids in (detections.class_ids, real)])

    def result(self):
        found, real = np.swapaxes(np.array(self.counts or np.zeros((0, 2, self.classes))), 0, 1)
        same = (found == real).mean(axis=0)
        per_class = {class_id: {"same_count": float(same[class_id])} for class_id in range(1, self.classes)}
        return {"same_count": float((found.sum(1) == real.sum(1)).mean()), "per_class": per_class}


class MarkDistance:
    """How near the best detection's mark is to an object's mark, 1 where they are equal."""

    def __init__(self, class_names, *, max_detections, class_facts):
        self.values = []

    def add(self, image_id, ground_truth, detections):
        objects = ground_truth.instances
        SEEN.extend(map(tuple, objects.extras["offset"].tolist()))
        if len(detections.scores) and len(objects.boxes):
            one, other = (self.marks(record)[0] for record in (detections, objects))
            self.values.append(1 / (1 + np.linalg.norm(one - other)))

    def marks(self, record):
        return (record.boxes[:, :2] + record.boxes[:, 2:]) / 2 + record.extras["offset"]

    def result(self):
        return {"mark_distance": float(np.mean(self.values)) if self.values else float("nan")}


SAME_COUNT = MetricKind(
    SameCount, columns=("same_count",), validated={"same_count": "same count"}, monitored=("same_count",)
)
MARK_DISTANCE = MetricKind(
    MarkDistance,
    columns=("mark_distance",),
    validated={"mark_distance": "marks"},
    monitored=("mark_distance",),
    needs=("offset",),
)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(METRICS, "same count", SAME_COUNT)
    monkeypatch.setitem(METRICS, "mark distance", MARK_DISTANCE)


@pytest.fixture
def fake_network(monkeypatch):
    monkeypatch.setattr(
        run.build.build,
        "build_model",
        lambda config, *, num_classes: fake.FakeMaskRCNN(num_classes=num_classes, side=tiny.SIDE),
    )


def rows(output):
    with (output / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_evaluate_writes_a_toy_metric_to_the_result_file_and_the_table(tmp_path, monkeypatch, capsys):
    project, bundle = helpers.write_scored_project(tmp_path), helpers.make_bundle()
    monkeypatch.setattr(paths, "check_model", lambda *_, **__: None)  # there is no folder `m`
    monkeypatch.setattr(read, "read_model", lambda model, **arguments: helpers.make_stored(tmp_path, bundle))
    monkeypatch.setattr(read, "load_model", lambda stored, **arguments: bundle)
    (tmp_path / "config.json").write_text("{}")  # of the model, which is not read
    output = tmp_path / "metrics.json"
    args = ["--model", str(tmp_path), "--project", str(project), "--tag", "val", "--output", str(output)]
    command.evaluate(command.parse(args), JsonLog())
    content = json.loads(output.read_text())
    # a cat and a dog are found in each of two images: a.png has both, b.png has a cat alone
    assert content["same_count"] == 0.5
    assert {title: values["same_count"] for title, values in content["per_class"].items()} == {"cat": 1.0, "dog": 0.5}
    assert content["mask_ap"] == 1.0  # COCO's measures are beside it
    assert "mark_distance" not in content  # the model has no offsets
    head, cat, _, last = capsys.readouterr().out.splitlines()
    assert (head.split()[-1], cat.split()[-1], last.split()[-1]) == ("same_count", "1.000", "0.500")


def test_train_writes_a_toy_metric_to_history_log_and_tensorboard_and_monitors_it(tmp_path, fake_network):
    project, output, log = tiny.write_project(tmp_path / "project"), tmp_path / "out", HeardLog()
    rules = {"early_stopping": {"monitor": "val_same_count", "patience": 1}}
    run.train(load_train_config({**tiny.CONFIG, "epochs": 5, **rules}), project_dir=project, output_dir=output, log=log)
    # the fake finds every object from the first epoch on, so the second one brings no gain
    assert [row["val_same_count"] for row in rows(output)] == ["1.0", "1.0"]
    assert "early stopping: `val_same_count` did not get better for 1 epochs" in log.messages
    assert any("with val_same_count 1: " in message for message in log.messages)
    assert "same_count" in str(log.of("metrics")[-1])
    tags = EventAccumulator(str(output / "tensorboard" / "validation")).Reload().Tags()
    assert any("same_count" in tag for tag in (*tags["scalars"], *tags["tensors"])), tags


def test_check_refuses_to_monitor_what_no_metric_of_the_model_offers(tmp_path):
    config = load_train_config({**tiny.CONFIG, "checkpoints": {"monitor": "val_mark_distance"}})
    known = "'val_loss', 'val_box_ap', 'val_mask_ap' or 'val_same_count'"
    with pytest.raises(UserError, match=f'^`checkpoints.monitor` must be {known}, got "val_mark_distance"$'):
        run.train(config, project_dir=tmp_path, output_dir=tmp_path / "out", log=HeardLog())


@pytest.mark.slow
def test_a_toy_metric_gets_the_field_that_it_needs(tmp_path, monkeypatch):
    offset_head.register(monkeypatch)
    project = tiny.write_project(tmp_path / "project")
    for path in project.rglob("ann/*.json"):
        content = json.loads(path.read_text())
        for item in content["objects"]:
            item[offset_head.NAME] = MARKS[item["classTitle"]]
        path.write_text(json.dumps(content))
    network = {**tiny.CONFIG["model"], "extra_heads": [offset_head.NAME], "score_threshold": 0.0}
    monitored = {"checkpoints": {"monitor": "val_mark_distance"}}
    config = load_train_config({**tiny.CONFIG, "epochs": 1, "model": network, **monitored})
    run.train(config, project_dir=project, output_dir=tmp_path / "out", log=HeardLog())
    [row] = rows(tmp_path / "out")
    assert 0 < float(row["val_mark_distance"]) < 1
    assert set(SEEN) == {tuple(mark) for mark in MARKS.values()}
    metrics = scoring.evaluate(
        Predictor.load(tmp_path / "out").with_choices(score_threshold=0.0), sources.open_project(project), log=JsonLog()
    )
    assert 0 < metrics["mark_distance"] < 1
    assert len(SEEN) == 3 + 7  # the validation set, then the whole project
