import numpy as np

from mrcnn.evaluate.analysis import confusion, matching
from tests.evaluate.analysis.made import image


def matrix(*images, threshold=0.0):
    matches = [matching.match(one) for one in images]
    return confusion.matrix(images, matches, num_classes=3, threshold=threshold).tolist()


def test_matrix_has_true_classes_in_rows():
    given = image(
        [1, 1, 2, 2],
        [(1, 0.9), (2, 0.8), (1, 0.7)],
        ious=[[0.9, 0, 0, 0], [0, 0.8, 0.2, 0], [0, 0, 0, 0.4]],
    )
    # a cat found, a cat found as dog, a cat at no object (0.4 is too little), two dogs not found
    assert matrix(given) == [[0, 1, 0], [0, 1, 1], [2, 0, 0]]


def test_matrix_prefers_the_right_class_to_the_larger_overlap():
    given = image([1], [(2, 0.9), (1, 0.5)], ious=[[1.0], [0.6]])
    assert matrix(given) == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert matrix(given, threshold=0.6) == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]  # the cat is left out


def test_matrix_pairs_the_largest_overlap_first():
    given = image([1, 1], [(2, 0.9), (2, 0.8)], ious=[[0.7, 0.6], [0.8, 0.1]])
    assert matrix(given) == [[0, 0, 0], [0, 0, 2], [0, 0, 0]]


def test_matrix_leaves_regions_to_ignore_out():
    assert matrix(image([1, 2], [(1, 0.9), (2, 0.8)], ious=[[1, 0], [0, 0]], ignore=[True, False])) == [
        [0, 0, 1],
        [0, 0, 0],
        [1, 0, 0],
    ]


def test_matrix_of_nothing():
    assert matrix() == matrix(image()) == [[0] * 3] * 3


def test_mistakes_lists_the_largest_without_background():
    counts = np.array([[0, 9, 9], [9, 9, 1], [9, 4, 9]])
    assert confusion.mistakes(counts, most=5) == [(2, 1, 4), (1, 2, 1)]
    assert confusion.mistakes(counts, most=1) == [(2, 1, 4)]
    assert confusion.mistakes(np.zeros((3, 3), int), most=5) == []
