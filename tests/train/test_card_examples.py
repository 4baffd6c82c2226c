from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mrcnn import optional
from mrcnn.config.load import load_train_config
from mrcnn.data.sources import table
from mrcnn.data.sources.samples import load_samples
from mrcnn.data.sources.source import DataPaths, Settings
from mrcnn.structures import Detections
from mrcnn.train.card_examples import CardExamples, Kept
from mrcnn.train.check import Checked
from mrcnn.train.devices import Devices
from mrcnn.train.optional_files import OptionalFiles


@pytest.fixture
def checked(project, log):
    source = table.FORMATS[table.PROJECT].open(DataPaths(project))
    samples = load_samples(source, Settings(), log=log)
    return Checked(load_train_config({}), None, source.meta, samples, Devices(("CPU:0",)), "p")


def scorer():
    details = {
        "box_ap": 0.5,
        "box_ap_large": float("nan"),
        "groups": {"a": 1},
        "per_class": {1: {"box_ap": 0.25, "objects": 2}, 7: {"pq": 0.5}},  # 7: stuff
    }
    return SimpleNamespace(details=details)


def found(scores):
    count = len(scores)
    return Detections(
        boxes=np.float32([[0, 0, 48, 64]] * count).reshape(-1, 4),
        class_ids=np.ones(count, np.int32),
        class_names=("bar",) * count,
        scores=np.float32(scores),
        masks=np.ones((count, 48, 64), bool),
    )


def keep(detections):
    kept = Kept(detections)
    for image_id, one in detections.items():
        kept.add(image_id, None, one)
    return kept


def test_kept_has_the_newest_detections_of_the_chosen_images():
    kept, first, second = Kept([1, 3]), found([0.5]), found([0.75])
    for image_id, one in ((0, first), (1, first), (1, second)):
        kept.add(image_id, None, one)
    assert kept.found == {1: second}


def test_describe_has_the_measures_and_two_pictures(checked, log, tmp_path):
    writer = OptionalFiles(log)
    kept = keep({2: found([0.9]), 0: found([0.69])})  # the threshold is 0.7
    examples = CardExamples(scorer(), kept, checked=checked, folder=tmp_path, fields={}, optional_files=writer)
    best = examples.describe(3)
    assert (best.epoch, best.score_threshold) == (3, 0.7)
    assert best.metrics == {"box_ap": 0.5, "box_ap_large": None}
    assert best.per_class == {"bar": {"box_ap": 0.25, "objects": 2.0}}
    assert [(item.file, item.image) for item in best.pictures] == [
        ("example-1.jpg", checked.samples.val[0].name),
        ("example-2.jpg", checked.samples.val[2].name),
    ]
    first, second = (cv2.imread(str(tmp_path / item.file)).astype(int) for item in best.pictures)
    corner = (slice(300, 310), slice(732 + 100, 732 + 110))  # of the right half, where the image is dark
    assert first[corner][..., 1].mean() < 60  # nothing is drawn
    assert second[corner][..., 1].mean() > 110  # 0.45 * 255 of the class's green
    assert log.messages[1:] == []


def test_describe_goes_on_without_an_image(checked, log, tmp_path):
    broken = checked.samples.val[0]._replace(image_path=str(tmp_path / "no.png"))
    samples = checked.samples._replace(val=(broken, *checked.samples.val[1:]))
    checked = Checked(checked.config, None, checked.meta, samples, checked.devices, "p")
    kept, writer = keep({0: found([0.9])}), OptionalFiles(log)
    examples = CardExamples(scorer(), kept, checked=checked, folder=tmp_path, fields={}, optional_files=writer)
    best = examples.describe(1)
    assert (best.pictures, best.metrics["box_ap"]) == ((), 0.5)
    assert "drawing the examples of the model card failed: cannot read" in log.messages[-1]


def test_describe_without_the_drawing_library(checked, log, tmp_path, monkeypatch):
    monkeypatch.setattr(optional, "missing", lambda extra: ["supervision"])
    kept, writer = keep({0: found([0.9])}), OptionalFiles(log)
    examples = CardExamples(scorer(), kept, checked=checked, folder=tmp_path, fields={}, optional_files=writer)
    assert examples.describe(1).pictures == ()
    assert list(tmp_path.iterdir()) == []
