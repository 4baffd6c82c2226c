"""LVIS data from its JSON to the results: training with repeated images, validation, evaluation."""

import csv
import json
import math

import pytest

from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import DataPaths
from mrcnn.errors import UserError
from mrcnn.evaluate import run as scoring
from mrcnn.evaluate.text_table import text_table
from mrcnn.events import JsonLog
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.train import run
from tests.predict import helpers
from tests.train import fake, tiny
from tests.train.conftest import HeardLog

FREQUENCY = {7: "f", 9: "r"}  # of the tiny categories disc and bar
MONITOR = {"checkpoints": {"monitor": "val_lvis_box_ap"}}


@pytest.fixture
def files(tmp_path):
    """LVIS files of the tiny images: 0 to 3 train, 4 to 6 validate; bars are in images of even number."""
    train, val, images = tiny.write_coco(tmp_path / "coco")
    for path in (train, val):
        content = json.loads(path.read_text())
        for item in content["categories"]:
            item |= {"frequency": FREQUENCY[item["id"]], "image_count": 5, "synset": f"{item['name']}.n.01"}
        for item in content["images"]:
            item["coco_url"] = f"http://images.cocodataset.org/img/{item.pop('file_name')}"
            item |= {"neg_category_ids": [9] if item["id"] % 2 else [], "not_exhaustive_category_ids": []}
        path.write_text(json.dumps(content))
    return DataPaths(train, images, val)


@pytest.fixture(autouse=True)
def fake_network(monkeypatch):
    monkeypatch.setattr(
        run.build.build,
        "build_model",
        lambda config, *, num_classes: fake.FakeMaskRCNN(num_classes=num_classes, side=tiny.SIDE),
    )


def test_train_repeats_images_and_measures_lvis_ap(files, tmp_path):
    settings = {**tiny.CONFIG, "sampling": {"repeat_threshold": 1}, **MONITOR}
    log = HeardLog()
    run.train(load_train_config(settings), data=files, output_dir=tmp_path / "out", log=log)
    # each class is in 2 of 4 images, so each image comes sqrt(1 / 0.5) = 1.41 times: 5.66, rounded up
    assert "schedule: 2 epochs of 3 steps of 2 images, sgd, lr 0.002 constant" in log.messages
    [line] = [message for message in log.messages if message.startswith("sampling: ")]
    assert line.startswith("sampling: an epoch has 6 images, drawn from 4; most of all ")
    assert line.count(" 1.41 times (in 2 images)") == 2
    with (tmp_path / "out" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_lvis_box_ap"]) for row in rows] == [1.0, 1.0]  # the fake finds every object
    assert {"val_lvis_mask_ap", "val_lvis_mask_ap_rare"} <= rows[0].keys()
    assert log.of("metrics")[-1]["metrics"]["lvis_box_ap"] == 1.0


def test_train_refuses_to_monitor_lvis_ap_of_other_data(tmp_path):
    config = load_train_config({**tiny.CONFIG, **MONITOR})
    project = tiny.write_project(tmp_path / "project")
    known = "'val_loss', 'val_box_ap' or 'val_mask_ap'"
    with pytest.raises(UserError, match=f'^`checkpoints.monitor` must be {known}, got "val_lvis_box_ap"$'):
        run.train(config, project_dir=project, output_dir=tmp_path / "out", log=HeardLog())


def test_evaluate_measures_lvis_ap_and_the_groups_of_frequency(files):
    predictor = Predictor(helpers.make_bundle(names=("bg", "disc", "bar")))
    metrics = scoring.evaluate(predictor, sources.open_annotated(files), log=JsonLog())
    # the whole image and its upper half are found, which match no object
    assert (metrics["lvis_box_ap"], metrics["lvis_box_ap_rare"], metrics["lvis_mask_ap_frequent"]) == (0.0, 0.0, 0.0)
    assert math.isnan(metrics["lvis_box_ap_common"])
    assert metrics["groups"]["rare"]["objects"] == metrics["per_class"]["bar"]["objects"] == 4
    assert metrics["groups"]["frequent"]["lvis_mask_ap"] == 0.0
    rows = text_table(metrics).splitlines()
    assert "lvis_mask_ap50" in rows[0]
    assert [row.split()[0] for row in rows[1:]] == ["disc", "bar", "all", "rare", "frequent"]


def test_evaluate_of_other_data_has_no_lvis_ap(tmp_path):
    train, val, images = tiny.write_coco(tmp_path / "coco")
    predictor = Predictor(helpers.make_bundle(names=("bg", "disc", "bar")))
    source = sources.open_annotated(DataPaths(train, images, val))
    metrics = scoring.evaluate(predictor, source, log=JsonLog())
    assert not [name for name in metrics if "lvis" in name]
    assert "groups" not in metrics
