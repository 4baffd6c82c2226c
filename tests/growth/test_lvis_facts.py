"""A federated metric that is defined in this file alone reads facts of images and classes of a COCO file."""

import json

import pytest

from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import DataPaths
from mrcnn.evaluate import run as scoring
from mrcnn.evaluate.metric import MetricKind
from mrcnn.evaluate.table import METRICS
from mrcnn.events import JsonLog
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.train import run
from tests.predict import helpers
from tests.train import fake, tiny
from tests.train.conftest import HeardLog

# of the tiny categories 7 (disc, frequent) and 9 (bar, rare)
FREQUENCY = {7: "f", 9: "r"}


class FalseAlarms:
    """Share of (image, detected rare class) pairs in which the image is annotated as having no object of the class."""

    def __init__(self, class_names, *, max_detections, class_facts):
        ids = {facts["id"]: class_names.index(title) for title, facts in class_facts.items() if title in class_names}
        self.class_of = ids
        self.rare = {ids[facts["id"]] for title, facts in class_facts.items() if facts["frequency"] == "r"}
        self.judged, self.wrong = 0, 0

    def add(self, image_id, ground_truth, detections):
        objects = ground_truth.instances
        absent = {self.class_of[number] for number in objects.facts["neg_category_ids"]}
        ignored = {self.class_of[number] for number in objects.facts["not_exhaustive_category_ids"]}
        for class_id in set(detections.class_ids.tolist()) & self.rare - ignored:
            self.judged += 1
            self.wrong += class_id in absent

    def result(self):
        return {"false_alarms": self.wrong / self.judged if self.judged else float("nan")}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    kind = MetricKind(FalseAlarms, columns=("false_alarms",), validated={"false_alarms": "false alarms"})
    monkeypatch.setitem(METRICS, "federated", kind)


@pytest.fixture
def files(tmp_path):
    """COCO files of the tiny images: 0 to 3 train, 4 to 6 validate; bars are in images of even number."""
    train, val, images = tiny.write_coco(tmp_path / "coco")
    for path in (train, val):
        content = json.loads(path.read_text())
        for item in content["categories"]:
            item["frequency"] = FREQUENCY[item["id"]]
        for item in content["images"]:
            item["neg_category_ids"] = [9] if item["id"] % 2 else []
            item["not_exhaustive_category_ids"] = [9] if item["id"] == 6 else []
        path.write_text(json.dumps(content))
    return DataPaths(train, images, val)


def test_evaluate_hands_facts_of_images_and_classes_to_a_metric(files):
    # both classes are found in every image: of the rare bars, those in images 1, 3 and 5 are wrong; 6 is not judged
    predictor = Predictor(helpers.make_bundle(names=("bg", "disc", "bar")))
    metrics = scoring.evaluate(predictor, sources.open_annotated(files), log=JsonLog())
    assert metrics["false_alarms"] == 3 / 6


def test_train_hands_facts_of_images_and_classes_to_a_metric(files, tmp_path, monkeypatch):
    monkeypatch.setattr(
        run.build.build,
        "build_model",
        lambda config, *, num_classes: fake.FakeMaskRCNN(num_classes=num_classes, side=tiny.SIDE),
    )
    log = HeardLog()
    run.train(load_train_config({**tiny.CONFIG, "epochs": 1}), data=files, output_dir=tmp_path / "out", log=log)
    assert "false_alarms" in log.of("metrics")[-1]["metrics"]
