import numpy as np

from mrcnn.fields.points import Points

VALUES = np.float32([[[10.5, 20.5, 2], [1, 3, -1]]])


def test_transformed_moves_x_and_y_and_keeps_the_third_number():
    # x: 2 * 10.5 + 5, y: 3 * 20.5 + 7
    moved = Points().transformed(VALUES, scale=np.float32([3, 2]), shift=np.float32([7, 5]))
    assert moved.tolist() == [[[26, 68.5, 2], [7, 16, -1]]]


def test_augmented_moves_points_given_as_y_and_x():
    moved = Points().augmented(VALUES, lambda points: points + np.array([1, 5]))
    assert moved.tolist() == [[[15.5, 21.5, 2], [6, 4, -1]]]
    assert moved.dtype == np.float32


def test_no_objects_and_no_points():
    for shape in ((0, 4, 3), (2, 0, 3)):
        values = np.zeros(shape, np.float32)
        assert Points().augmented(values, lambda points: points).shape == shape
        assert Points().transformed(values, scale=np.ones(2), shift=np.zeros(2)).shape == shape
