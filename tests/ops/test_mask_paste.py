import numpy as np
import pytest
from keras import ops

from mrcnn.ops import mask_paste
from tests.traced import both

RNG = np.random.default_rng(0)


def test_paste_mask_crops_to_the_pixels_of_the_box():
    cropped, origin = mask_paste.paste_mask(np.ones((4, 4)), [-3, 1.4, 2.6, 5.5], height=9, width=9, threshold=0.5)
    assert origin == (0, 1)
    assert cropped.shape == (3, 4)  # middles .5 1.5 2.5 and 1.5 2.5 3.5 4.5
    assert cropped.all()


@pytest.mark.parametrize("box", [[2, 2, 2, 5], [5, 5, 2, 2], [20, 0, 30, 9], [0, 0, 0, 0], [0, 0, np.nan, 9]])
def test_paste_mask_of_nothing_is_empty(box):
    cropped, origin = mask_paste.paste_mask(np.ones((4, 4)), box, height=10, width=10, threshold=0.5)
    assert cropped.shape == (0, 0)
    assert origin == (0, 0)


def test_placed_adds_a_border_and_cuts_the_edges_to_whole_pixels():
    mask, box = mask_paste.placed(np.ones((2, 2), np.float32), np.float32([1, 2, 5, 10]), method="expanded")
    np.testing.assert_array_equal(mask, [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
    # middles 3 and 6, half sides 2 and 4 times 4 / 2: -1..7 and -2..14, of which the last pixel is inside
    np.testing.assert_array_equal(box, [-1, -2, 8, 15])
    # fractions are cut towards 0: -0.5 to 0, 2.5 to 2
    _, box = mask_paste.placed(np.ones((2, 2), np.float32), np.float32([0.25, 0.25, 1.75, 1.75]), method="expanded")
    np.testing.assert_array_equal(box, [0, 0, 3, 3])


@pytest.mark.parametrize("method", ["bilinear", "fading", "stretched", "sampled"])
def test_placed_changes_nothing_for_another_method(method):
    mask, box = np.ones((2, 2), np.float32), np.float32([1, 2, 5, 10])
    assert all(
        one is other for one, other in zip(mask_paste.placed(mask, box, method=method), (mask, box), strict=True)
    )


def test_placed_of_tensors_is_that_of_arrays():
    given = RNG.random((3, 4, 4)).astype(np.float32)
    boxes = np.float32([[0.3, 1.7, 5.2, 6], [-3.3, 2, 9, 7], [2, 2, 2, 2]])
    got = both(lambda m, b: mask_paste.placed(m, b, method="expanded", maths=ops), given, boxes)
    for ours, expected in zip(got, mask_paste.placed(given, boxes, method="expanded"), strict=True):
        np.testing.assert_array_equal(ours, expected)
    empty, none = mask_paste.placed(given[:0], boxes[:0], method="expanded")
    assert (empty.shape, none.shape) == ((0, 6, 6), (0, 4))
