import pytest

from mrcnn.evaluate.analysis.seen import BOX, MASK, Collector
from mrcnn.report.evaluation import review
from tests.evaluate.analysis.test_seen import detections, truth
from tests.report.evaluation import made


def test_examine():
    found = made.make()
    assert (found.kind, found.floor) == (MASK, 0.05)
    # without the detections at 0.3 and 0.8: 2 * 1 / (1 + 3) = 1/2, best from 0.81 to 0.90; the middle is 0.85
    assert (found.best_threshold, found.threshold) == (0.85, 0.85)
    assert found.counts.objects == 3
    assert found.confusion.tolist() == [[0, 0, 0], [2, 1, 0], [0, 0, 0]]
    assert {one.name: one.number for one in found.gains} == {
        "classification": 1, "localization": 0, "both": 0, "duplicate": 0, "background": 1, "missed": 1,
    }  # fmt: skip
    assert found.sizes == (2, 1, 0)  # 400 pixels twice, and 1600
    # the image of the dog has nothing right; the other has IoU 1 / (1 + 1/2) = 2/3; the third has nothing to rate
    assert [(one.place, one.quality) for one in found.worst] == [(1, 0.0)]  # half of the two
    assert [(one.place, one.quality) for one in found.best] == [(0, pytest.approx(2 / 3))]  # none is shown twice
    assert [row.objects for row in found.classes] == [3, 0]


def test_examine_without_measures_of_masks_judges_boxes():
    metrics = {name: value for name, value in made.metrics().items() if not name.startswith("mask")}
    assert review.examine(made.seen_images(), metrics, titles=made.TITLES, floor=0.05).kind == BOX


def test_examine_without_a_right_detection_uses_the_floor():
    found = made.make(made.seen_images()[1:])
    assert (found.best_threshold, found.threshold) == (None, 0.05)
    assert found.confusion.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]


def test_examine_finds_no_threshold_below_the_floor():
    found = review.examine(made.seen_images(), made.metrics(), titles=made.TITLES, floor=0.7)
    # cats alone have the best F1 from 0.31 to 0.90, of which 0.70 to 0.90 are known
    assert found.classes[0].best_threshold == 0.8


def test_examine_counts_sizes_by_cocos_bounds():
    collector = Collector()
    boxes = [(0, 0, 31, 33), (0, 0, 32, 32), (0, 0, 95, 97), (0, 0, 96, 96)]  # 1023, 1024, 9215 and 9216 pixels
    collector.add(0, truth(*boxes, size=(100, 100)), detections(scores=[], size=(100, 100)))
    assert made.make(collector.images).sizes == (1, 2, 1)


def test_examine_nothing():
    found = made.make([])
    assert (found.worst, found.best, found.sizes, found.counts.objects) == ((), (), (0, 0, 0), 0)
