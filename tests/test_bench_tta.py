"""The benchmark of test-time augmentation, with a network of a few lines."""

import math

from benchmarks import tta
from mrcnn.events import JsonLog
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.tta.predictor import predictor_of
from tests.predict import helpers
from tests.predict.tta import networks


def make_bundle():
    network = networks.Halves(networks.shares((0, 0, 1, 1, 1, 0.9)), networks.constant([[1.0]]))
    return helpers.make_bundle(network, shape="rectangle", score_threshold=0.05)


def test_cases_are_the_parts_of_test_time_augmentation():
    found = [(case.title, case.tta and case.tta.model_dump()) for case in tta.cases(make_bundle(), None, 4000)]
    assert found == [
        ("plain", None),
        ("mirrored", {"min_dims": (64,), "max_dim": 64, "flip": True}),  # of the usual size
        ("sizes", {"min_dims": None, "max_dim": 4000, "flip": False}),
        ("sizes, mirrored", {"min_dims": None, "max_dim": 4000, "flip": True}),
    ]
    assert tta.cases(make_bundle(), [32, 64], 128)[2].tta.min_dims == (32, 64)


def test_measured_and_row_of_each_case(tmp_path):
    source, bundle = sources.open_project(helpers.write_scored_project(tmp_path)), make_bundle()
    views = []
    for case in tta.cases(bundle, [32, 64], 64):
        predictor = predictor_of(bundle, case.tta)
        metrics, seconds = tta.measured(predictor, source, log=JsonLog(), batch_size=2)
        assert metrics["images"] == 3
        assert 0 < seconds < math.inf
        assert metrics["per_class"]["cat"]["box_ap"] > 0
        views.append(tta.row(case, predictor, metrics, seconds=seconds, usual=seconds).split(" | ")[1])
    assert views == ["1", "2", "2", "4"]


def test_row_by_hand():
    case = tta.Case("plain", None)
    metrics = {"box_ap": 0.5, "box_ap50": 0.75, "mask_ap": math.nan, "mask_ap50": 0.25}
    got = tta.row(case, Predictor(helpers.make_bundle()), metrics, seconds=3.0, usual=1.2)
    assert got == "| plain | 1 | 3.00 | 2.5 | 0.500 | 0.750 | nan | 0.250 | - |"
    assert len(got.split("|")) == len(tta.HEAD) + 2
