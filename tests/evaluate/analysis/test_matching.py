import numpy as np

from mrcnn.evaluate.analysis import matching
from mrcnn.evaluate.analysis.matching import NONE
from tests.evaluate.analysis.made import image


def test_match_takes_the_largest_free_overlap_of_the_class():
    # the first detection overlaps both cats and takes the better; the second gets what is left; the dog fits none
    given = image([1, 1], [(1, 0.9), (1, 0.8), (2, 0.7)], ious=[[0.6, 0.9], [0.5, 0.95], [1.0, 1.0]])
    assert matching.match(given).objects.tolist() == [1, 0, NONE]


def test_match_counts_an_overlap_of_exactly_the_least():
    assert matching.match(image([1], [(1, 0.9)], ious=[[0.5]])).objects.tolist() == [0]
    assert matching.match(image([1], [(1, 0.9)], ious=[[0.499]])).objects.tolist() == [NONE]
    assert matching.match(image([1], [(1, 0.9)], ious=[[0.5]]), iou=0.75).objects.tolist() == [NONE]


def test_match_excuses_detections_in_regions_of_their_class_or_of_all():
    given = image([1, 0], [(1, 0.9), (2, 0.8), (2, 0.7)], ious=[[0.9, 0], [0.9, 0.1], [0, 0.6]], ignore=[True, True])
    found = matching.match(given)
    assert found.ignored.tolist() == [True, False, True]  # a crowd of cats excuses no dog
    assert found.objects.tolist() == [NONE] * 3


def test_match_prefers_an_object_to_a_region():
    given = image([1, 1], [(1, 0.9), (1, 0.8)], ious=[[1.0, 0.6], [1.0, 0.6]], ignore=[True, False])
    found = matching.match(given)
    assert (found.objects.tolist(), found.ignored.tolist()) == ([1, NONE], [False, True])


def test_rank_sorts_all_images_and_leaves_ignored_out():
    images = [
        image([1], [(1, 0.5), (1, 0.2)], ious=[[1.0], [0.0]]),
        image([2, 2, 1], [(2, 0.7), (1, 0.6)], ious=[[0.9, 0, 0], [0, 0, 0.8]], ignore=[False, False, True]),
    ]
    found = matching.rank(images, [matching.match(one) for one in images], num_classes=4)
    assert found.scores.tolist() == [0.7, 0.5, 0.2]
    assert found.class_ids.tolist() == [2, 1, 1]
    assert found.correct.tolist() == [True, True, False]
    assert found.objects.tolist() == [0, 1, 2, 0]


def test_rank_of_nothing():
    for images in ([], [image()]):
        found = matching.rank(images, [matching.match(one) for one in images], num_classes=2)
        assert (found.scores.shape, found.correct.dtype, found.objects.tolist()) == ((0,), np.dtype(bool), [0, 0])
