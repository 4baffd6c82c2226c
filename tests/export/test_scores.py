"""AP of two models on the same data."""

import pytest

from mrcnn.events import JsonLog
from mrcnn.export import scores
from mrcnn.export.scores import Scores
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from tests.predict import helpers


@pytest.mark.parametrize(
    ("exported", "reduced", "failures", "recommended"),
    [
        ({"box_ap": 0.5, "mask_ap": 0.4}, False, [], True),
        ({"box_ap": 0.499, "mask_ap": 0.401}, False, [], True),
        ({"box_ap": 0.495, "mask_ap": 0.403}, False, ["box_ap differs by 0.0050", "mask_ap differs by -0.0030"], True),
        ({"box_ap": 0.495, "mask_ap": 0.403}, True, [], True),
        ({"box_ap": 0.5, "mask_ap": 0.38}, True, [], False),
    ],
)
def test_scores_are_equal_or_recommended(exported, reduced, failures, recommended):
    found = Scores({"box_ap": 0.5, "mask_ap": 0.4}, exported, 300, 0.05, reduced=reduced)
    assert (found.failures, found.recommended) == (failures, recommended)


@pytest.mark.parametrize(("images", "equal"), [(0, True), (50, True), (62, True), (63, False), (300, False)])
def test_scores_of_few_images_may_differ_by_a_borderline_detection(images, equal):
    # 0.5 / 62 is 0.00806, 0.5 / 63 is 0.00794
    assert (Scores({"box_ap": 0.5}, {"box_ap": 0.508}, images, 0.05).failures == []) is equal


def test_measure_evaluates_both_models(tmp_path):
    project = helpers.write_scored_project(tmp_path)
    source = sources.with_tag(sources.open_project(project), "val")
    live = Predictor(helpers.make_bundle(helpers.Thresholded(0.25), score_threshold=0.25))
    found = scores.measure(live, live, source, neutral=None, log=JsonLog())
    assert found.live == found.exported
    assert set(found.live) == {"box_ap", "mask_ap"}
    assert found.images == len(source.entries)
    assert (found.score_threshold, found.lost) == (0.25, {"box_ap": 0.0, "mask_ap": 0.0})
    other = live.with_choices(score_threshold=1.0)  # finds nothing
    found = scores.measure(live, other, source, neutral=None, log=JsonLog(), reduced=True)
    assert found.exported == {"box_ap": 0.0, "mask_ap": 0.0}
    assert found.to_json()["recommended"] is False
