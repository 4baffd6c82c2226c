import numpy as np
import pytest

from mrcnn.evaluate.analysis import curves, matching, seen
from mrcnn.evaluate.analysis.matching import Ranked
from mrcnn.evaluate.analysis.seen import Collector
from mrcnn.evaluate.coco import CocoEvaluator
from tests.evaluate.analysis.test_seen import detections, truth


def ranked(correct, scores, *, objects, class_ids=None):
    class_ids = [1] * len(correct) if class_ids is None else class_ids
    return Ranked(np.array(class_ids, int), np.array(scores, float), np.array(correct, bool), np.array(objects))


RANKED = ranked([1, 0, 1], [0.9, 0.6, 0.3], objects=[0, 2])


def test_average_precision():
    # precision 1 up to recall 1/2, then 2/3 up to recall 1: recalls 0 to 0.50 are 51 of 101
    assert curves.average_precision(RANKED.correct, 2) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert curves.average_precision(RANKED.correct[:1], 2) == pytest.approx(51 / 101)
    assert curves.average_precision(RANKED.correct[:0], 2) == 0
    assert np.isnan(curves.average_precision(RANKED.correct, 0))


def test_precision_at_recalls_is_the_best_from_there_on():
    found = curves.precision_at_recalls(np.array([False, True]), 1)
    assert found.tolist() == [0.5] * 101
    assert curves.precision_at_recalls(np.zeros(0, bool), 3).tolist() == [0.0] * 101


def test_class_precision_and_its_mean():
    given = ranked([1, 1, 0, 0], [0.9, 0.8, 0.7, 0.6], objects=[0, 1, 2, 0], class_ids=[1, 2, 2, 3])
    found = curves.class_precision(given)
    assert found[1:3].tolist() == [1.0, pytest.approx(51 / 101)]
    assert np.isnan(found[[0, 3]]).all()
    assert curves.mean_precision(given) == pytest.approx((1 + 51 / 101) / 2)
    assert np.isnan(curves.mean_precision(ranked([], [], objects=[0, 0])))


def test_class_precision_is_that_of_coco():
    random, collector, coco = np.random.default_rng(0), Collector(), CocoEvaluator(2)
    for index in range(12):
        corners = random.integers(0, 14, (6, 2))
        boxes = [(y, x, y + 6, x + 6) for y, x in corners.tolist()]
        near = [(y + 1, x + int(random.integers(0, 4)), y + 6, x + 6) for y, x in corners.tolist()]
        given = truth(*boxes[:4], ignore=[False, False, False, index % 3 == 0], size=(24, 24))
        found = detections(*near, scores=random.random(6).round(3), size=(24, 24))
        for one in (collector, coco):
            one.add(index, given, found)
    for kind in (seen.MASK, seen.BOX):
        images = [seen.overlaps(one, kind=kind) for one in collector.images]
        matches = [matching.match(one) for one in images]
        found = curves.class_precision(matching.rank(images, matches, num_classes=2))[1]
        assert found == pytest.approx(coco.result()[f"{kind}_ap50"], abs=1e-9)
        assert 0.1 < found < 0.9


def test_by_threshold_counts_from_the_threshold_on():
    found = curves.by_threshold(RANKED, thresholds=np.array([0.0, 0.3, 0.31, 0.9, 1.0]))
    assert found.found.tolist() == [3, 3, 2, 1, 0]
    assert found.correct.tolist() == [2, 2, 1, 1, 0]
    assert found.recall.tolist() == [1, 1, 0.5, 0.5, 0]
    assert found.f1[1:].tolist() == pytest.approx([4 / 5, 2 / 4, 2 / 3, 0])
    assert np.isnan(found.precision[-1])
    assert found.at(0.9) == (1, 1)


def test_by_threshold_compares_as_float32():
    scores = np.array([0.7], np.float32)  # 0.69999999 as float64
    assert curves.by_threshold(ranked([1], scores, objects=[0, 1])).at(0.7) == (1, 1)


def test_by_threshold_of_a_class():
    given = ranked([1, 1, 0], [0.9, 0.8, 0.7], objects=[0, 1, 3], class_ids=[1, 2, 2])
    found = curves.by_threshold(given, class_id=2)
    assert (found.objects, found.at(0.0)) == (3, (1, 2))
    assert curves.by_threshold(given).objects == 4


def test_best_threshold():
    # F1 is 4/5 up to 0.3, 2/4 up to 0.6 and 2/3 up to 0.9; of 0.00 to 0.30 the middle one is 0.15
    assert curves.best_threshold(curves.by_threshold(RANKED)) == 0.15
    assert curves.best_threshold(curves.by_threshold(RANKED), lowest=0.2) == 0.25
    perfect = curves.by_threshold(ranked([1], [0.9], objects=[0, 1]))
    assert curves.best_threshold(perfect) == 0.45


def test_best_threshold_without_a_right_detection():
    assert curves.best_threshold(curves.by_threshold(ranked([0], [0.9], objects=[0, 1]))) is None
    assert curves.best_threshold(curves.by_threshold(ranked([], [], objects=[0, 0]))) is None
