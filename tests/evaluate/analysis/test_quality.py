import pytest

from mrcnn.evaluate.analysis import matching, quality
from mrcnn.evaluate.analysis.quality import ImageQuality
from tests.evaluate.analysis.made import image

GOOD = image([1], [(1, 0.9)], ious=[[0.8]])
MIXED = image([1, 1], [(1, 0.9), (1, 0.6), (2, 0.5)], ious=[[0.9, 0], [0, 0.1], [0, 0]])


def rate(*images, threshold=0.0):
    return quality.rate(images, [matching.match(one) for one in images], threshold=threshold)


def test_rate():
    # one right with IoU 0.9, two wrong, one missed: 0.9 / (1 + 2/2 + 1/2)
    assert rate(GOOD, MIXED) == [
        ImageQuality(0, 0.8, 1, 0, 0),
        ImageQuality(1, pytest.approx(0.9 / 2.5), 1, 2, 1),
    ]
    assert rate(MIXED, threshold=0.55) == [ImageQuality(0, pytest.approx(0.9 / 2), 1, 1, 1)]


def test_rate_leaves_out_what_has_nothing_to_rate():
    assert rate(image(), image([], [(1, 0.2)]), threshold=0.5) == []
    assert rate(image([], [(1, 0.2)])) == [ImageQuality(0, 0.0, 0, 1, 0)]
    assert rate(image([1], [(1, 0.9)], ious=[[1.0]], ignore=[True])) == []


def test_worst_and_best():
    rated = [ImageQuality(0, 1.0, 1, 0, 0), ImageQuality(1, 0.0, 0, 1, 0), ImageQuality(2, 0.0, 0, 2, 1),
             ImageQuality(3, 1.0, 5, 0, 0)]  # fmt: skip
    assert [one.place for one in quality.worst(rated, most=3)] == [2, 1, 0]
    assert [one.place for one in quality.best(rated, most=3)] == [3, 0, 1]
    assert quality.worst([], most=3) == []
