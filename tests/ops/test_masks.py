import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from skimage import transform

from mrcnn.ops import mask_paste, masks
from tests.traced import both

CASES = json.loads((Path(__file__).parent / "cases" / "masks.json").read_text())
RNG = np.random.default_rng(0)


def paste(given, boxes, height, width):
    return both(lambda m, b: masks.paste_masks(m, b, height=height, width=width), np.float32(given), np.float32(boxes))


def crop(given, gt_boxes, rois, size):
    return both(
        lambda m, g, r: masks.crop_masks(m, g, r, output_size=size),
        np.uint8(given),
        np.float32(gt_boxes),
        np.float32(rois),
        unknown_batch=True,
    )


def test_paste_masks_matches_detectron2_between_the_border_cells():
    # detectron2 samples at pixel middles too, but fades to 0 from the border cells' middles outwards, where we hold
    # the border's value inside the box and cut at the box; between these middles both are plain bilinear. Its soft
    # output is the probability * 255, cut to a whole number.
    case = CASES["paste"]
    boxes = np.float32(case["boxes"])[:, [1, 0, 3, 2]]
    pasted = paste(case["masks"], boxes, *case["hw"])
    compared = 0
    for mask, box, result, soft in zip(case["masks"], boxes, pasted, case["expected_uint8_soft"], strict=True):
        size = len(mask)
        inner = []
        for axis, length in enumerate(case["hw"]):
            position = (np.arange(length) + 0.5 - box[axis]) / (box[axis + 2] - box[axis]) * size - 0.5
            inner.append((position >= 0) & (position <= size - 1))
        inner = np.ix_(*inner)
        np.testing.assert_allclose(result[inner] * 255 - 0.5, np.array(soft)[inner], atol=0.501)
        compared += result[inner].size
    assert compared > 50


def test_paste_masks_of_an_equal_grid_copies_the_mask():
    # tensorflow/models mask_ops_test.py: a 6 x 6 mask in a 6 x 6 box of a 10 x 10 image
    mask = RNG.random((1, 6, 6)).astype(np.float32)
    pasted = paste(mask, [[2, 0, 8, 6]], 10, 10)
    np.testing.assert_allclose(pasted[0, 2:8, 0:6], mask[0], atol=1e-6)
    assert pasted.sum() == pytest.approx(mask.sum(), rel=1e-6)


def test_paste_masks_worked_numbers():
    # a 2 x 2 grid over rows 0..4 and columns 0..2: row middles .5 1.5 2.5 3.5 lie at grid rows -.25 .25 .75 1.25
    pasted = paste([[[0.0, 1.0], [0.4, 0.6]]], [[0, 0, 4, 2]], 4, 3)
    np.testing.assert_allclose(pasted[0], [[0, 1, 0], [0.1, 0.9, 0], [0.3, 0.7, 0], [0.4, 0.6, 0]], atol=1e-6)


def test_paste_masks_a_full_mask_fills_exactly_the_pixels_whose_middles_lie_in_the_box():
    pasted = paste(np.ones((3, 28, 28)), [[1.4, 1.6, 4.4, 4.6], [-3, -3, 2, 99], [1.5, 1.5, 2.5, 2.5]], 6, 7)
    expected = np.zeros((3, 6, 7))
    expected[0, 1:4, 2:5] = 1  # middles 1.5..3.5 and 2.5..4.5
    expected[1, :2, :] = 1
    expected[2, 1, 1] = 1  # from 1.5, included, to 2.5, excluded
    np.testing.assert_allclose(pasted, expected, atol=1e-6)


def test_paste_masks_degenerate_and_outside_boxes_paste_nothing():
    boxes = [[2, 2, 2, 5], [5, 5, 2, 2], [20, 20, 30, 30], [0, 0, 0, 0]]
    assert not paste(np.ones((4, 7, 7)), boxes, 10, 10).any()


def test_paste_masks_no_masks():
    assert paste(np.zeros((0, 28, 28)), np.zeros((0, 4)), 5, 6).shape == (0, 5, 6)


def test_paste_masks_traces_with_unknown_number_and_frame():
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 4, 4], tf.float32),
            tf.TensorSpec([None, 4], tf.float32),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.int32),
        ]
    )
    def traced(given, boxes, height, width):
        return masks.paste_masks(given, boxes, height=height, width=width)

    given, boxes = RNG.random((2, 4, 4)).astype(np.float32), np.float32([[0, 1, 5, 6], [2, 2, 9, 7]])
    np.testing.assert_allclose(traced(given, boxes, 8, 9), paste(given, boxes, 8, 9), atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_paste_mask_equals_tensor_paste(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((28, 28)).astype(np.float32)
    start = rng.uniform(-20, 70, 2)
    box = np.float32([*start, *(start + rng.uniform(0, 60, 2))])
    soft = masks.paste_masks(mask[None], box[None], height=64, width=80).numpy()[0]
    cropped, (top, left) = mask_paste.paste_mask(mask, box, height=64, width=80, threshold=0.5)
    assert cropped.dtype == bool
    drawn = np.zeros((64, 80), bool)
    drawn[top : top + cropped.shape[0], left : left + cropped.shape[1]] = cropped
    differing = drawn != (soft >= 0.5)
    assert np.abs(soft[differing] - 0.5).max(initial=0) < 1e-5  # only ties of float32


def test_crop_masks_of_the_objects_own_box_copies_the_grid():
    given = RNG.integers(0, 256, (2, 8, 8))
    boxes = [[0, 0, 16, 8], [3.5, 2.25, 100, 50]]
    np.testing.assert_allclose(crop(given, boxes, boxes, 8), given / 255, atol=1e-5)


def test_crop_masks_worked_numbers():
    # grid 2 x 2 over 0..8: value middles at 2 and 6. Region rows 0..4, columns 4..12, its cells' middles at rows 1 3,
    # columns 6 10: grid rows -.25 -> 0 and .25, grid column 1 and outside
    cropped = crop([[[0, 51], [102, 255]]], [[0, 0, 8, 8]], [[0, 4, 4, 12]], 2)
    np.testing.assert_allclose(cropped, [[[51 / 255, 0], [0.75 * 0.2 + 0.25 * 1.0, 0]]], atol=1e-6)


def test_crop_masks_outside_the_object_is_zero():
    assert not crop(np.full((1, 4, 4), 255), [[0, 0, 8, 8]], [[8, 8, 16, 16]], 4).any()


def test_crop_masks_of_degenerate_objects_is_zero_and_finite():
    given = np.full((3, 4, 4), 255)
    assert not crop(given, np.zeros((3, 4)), [[0, 0, 4, 4], [0, 0, 0, 0], [-1, -1, 1, 1]], 4).any()


def test_read_masks_worked_numbers():
    # a mask of 2 x 2 cells in a box of 4 x 8 pixels (height, width) at (y, x) = (2, 10); middles at x 12, 16 and y 3, 5
    stored = np.uint8([[[255, 0], [0, 0]]])
    boxes = np.float32([[2, 10, 6, 18]])
    points = np.float32([[[12, 3], [14, 3], [14, 4], [10, 2], [16, 3], [9.9, 3], [18, 3], [12, 6]]])
    got = both(masks.read_masks, stored, boxes, points, unknown_batch=True)
    # on the middle; half way along x; half way along both; in the corner, where values stay constant; on a cell of 0;
    # left of the box; on its right and its lower edge, which are outside
    np.testing.assert_allclose(got, [[1, 0.5, 0.25, 1, 0, 0, 0, 0]], atol=1e-6)


def test_read_masks_at_the_cells_of_a_region_equals_crop_masks():
    random = np.random.default_rng(0)
    stored = random.integers(0, 256, (2, 5, 5)).astype("uint8")
    boxes, rois = np.float32([[2, 3, 12, 30], [0, 0, 7, 7]]), np.float32([[4, 1, 15, 20], [1, 2, 5, 9]])
    shares = (np.arange(4, dtype="float32") + 0.5) / 4
    y, x = (rois[:, axis, None] + shares * (rois[:, axis + 2] - rois[:, axis])[:, None] for axis in (0, 1))
    points = np.stack([np.tile(x[:, None], (1, 4, 1)), np.tile(y[:, :, None], (1, 1, 4))], axis=-1).reshape(2, 16, 2)
    cropped = np.asarray(masks.crop_masks(stored, boxes, rois, output_size=4)).reshape(2, 16)
    np.testing.assert_allclose(masks.read_masks(stored, boxes, points), cropped, atol=1e-6)


def test_read_masks_of_degenerate_objects_is_zero_and_may_be_empty():
    full, points = np.full((1, 3, 3), 255, "uint8"), np.float32([[[5, 5], [5, 6]]])
    np.testing.assert_array_equal(masks.read_masks(full, np.float32([[5, 5, 5, 9]]), points), [[0, 0]])
    none = masks.read_masks(full[:0], np.zeros((0, 4), "float32"), points[:0])
    assert none.shape == (0, 2)


def test_crop_masks_keeps_leading_axes_and_empty():
    assert crop(np.zeros((2, 3, 4, 4)), np.zeros((2, 3, 4)), np.zeros((2, 3, 4)), 7).shape == (2, 3, 7, 7)
    assert crop(np.zeros((0, 4, 4)), np.zeros((0, 4)), np.zeros((0, 4)), 7).shape == (0, 7, 7)


def test_crop_masks_then_paste_masks_returns_the_shape():
    # a disc stored on a 56 grid, cut out on 28 cells and drawn again
    y, x = np.mgrid[:56, :56] + 0.5
    disc = ((y - 28) ** 2 + (x - 28) ** 2 < 26**2) * 255
    box = np.float32([[10, 20, 122, 132]])
    cropped = crop(disc[None], box, box, 28)
    drawn = paste(cropped, box, 150, 150)[0] >= 0.5
    y, x = np.mgrid[:150, :150] + 0.5
    true = (y - 66) ** 2 + (x - 76) ** 2 < 52**2
    assert (drawn & true).sum() / (drawn | true).sum() > 0.97


def test_crop_masks_from_corner_to_corner():
    # tf.image.crop_and_resize of the whole mask to 3 x 3: rows and columns 0, 0.5 and 1 of the 2 x 2 values
    given = np.array([[[0, 51], [102, 255]]])
    expected = [[0, 0.1, 0.2], [0.2, 0.4, 0.6], [0.4, 0.7, 1.0]]
    got = masks.crop_masks(given, [[0.0, 0, 8, 8]], [[0.0, 0, 8, 8]], output_size=3, grid="corners")
    np.testing.assert_allclose(got, [expected], atol=1e-6)
    # a region twice as wide: its points lie at columns 0, 8 and 16, the last one outside
    got = masks.crop_masks(given, [[0.0, 0, 8, 8]], [[0.0, 0, 8, 16]], output_size=3, grid="corners")
    np.testing.assert_allclose(np.asarray(got)[0, 0], [0, 0.2, 0], atol=1e-6)
    nothing = masks.crop_masks(given, [[4.0, 4, 4, 4]], [[0.0, 0, 8, 8]], output_size=3, grid="corners")
    assert not np.asarray(nothing).any()
    with pytest.raises(ValueError, match='grid must be "cells" or "corners"'):
        masks.crop_masks(given, [[0.0, 0, 8, 8]], [[0.0, 0, 8, 8]], output_size=3, grid="middles")


@pytest.mark.parametrize("box", [[0, 0, 56, 56], [3, 5, 13, 33], [0, 2, 8, 10]])
def test_paste_masks_fading_is_scikit_images_resize(box):
    mask = RNG.random((28, 28)).astype("float32")
    y1, x1, y2, x2 = box
    expected = transform.resize(mask, (y2 - y1, x2 - x1), order=1, mode="constant", anti_aliasing=False)
    got = np.asarray(masks.paste_masks(mask[None], [box], height=60, width=60, method="fading"))[0]
    np.testing.assert_allclose(got[y1:y2, x1:x2], expected, atol=1e-5)
    assert got.sum() == pytest.approx(expected.sum(), rel=1e-5)


@pytest.mark.parametrize("box", [[0, 0, 56, 56], [3, 5, 13, 33], [0, 2, 8, 10]])
def test_paste_masks_stretched_is_pillows_resize_of_the_whole_range(box):
    mask = (0.2 + 0.3 * RNG.random((28, 28))).astype("float32")
    y1, x1, y2, x2 = box
    stretched = (mask - mask.min()) / (mask.max() - mask.min())
    expected = Image.fromarray(stretched).resize((x2 - x1, y2 - y1), Image.Resampling.BILINEAR)
    got = np.asarray(masks.paste_masks(mask[None], [box], height=60, width=60, method="stretched"))[0]
    np.testing.assert_allclose(got[y1:y2, x1:x2], np.asarray(expected), atol=1e-5)
    cut, origin = mask_paste.paste_mask(mask, box, height=60, width=60, threshold=0.5, method="stretched")
    assert origin == (y1, x1)
    np.testing.assert_array_equal(cut, got[y1:y2, x1:x2] >= 0.5)


def test_paste_masks_a_flat_mask_stretches_to_nothing():
    flat = np.full((1, 4, 4), 0.9, "float32")
    assert not np.asarray(masks.paste_masks(flat, [[0, 0, 8, 8]], height=8, width=8, method="stretched")).any()
    cut, _ = mask_paste.paste_mask(flat[0], [0, 0, 8, 8], height=8, width=8, threshold=0.5, method="stretched")
    assert not cut.any()


def test_paste_mask_fades_as_tensors_do():
    mask = RNG.random((28, 28)).astype("float32")
    got = np.asarray(masks.paste_masks(mask[None], [[2, 3, 50, 41]], height=60, width=60, method="fading"))[0]
    cut, (y, x) = mask_paste.paste_mask(mask, [2, 3, 50, 41], height=60, width=60, threshold=0.5, method="fading")
    np.testing.assert_array_equal(cut, got[y : y + 48, x : x + 38] >= 0.5)


def test_paste_masks_another_method_is_named():
    with pytest.raises(
        ValueError, match="method must be one of bilinear, fading, stretched, expanded, sampled, got 'cubic'"
    ):
        masks.paste_masks(np.zeros((1, 2, 2)), [[0, 0, 1, 1]], height=2, width=2, method="cubic")


# masks of torchvision's paste_masks_in_image and of PyTorch's grid_sample
PASTED = json.loads((Path(__file__).parent / "cases" / "pasted_masks.json").read_text())
PASTED_BOXES = np.float32(PASTED["boxes_xyxy"])[:, [1, 0, 3, 2]]


def drawn_by_numpy(method):
    """Pastes the stored masks one by one."""
    height, width = PASTED["height"], PASTED["width"]
    found = np.zeros((3, height, width), np.float32)
    for canvas, mask, box in zip(found, PASTED["masks"], PASTED_BOXES, strict=True):
        crop, (top, left) = mask_paste.paste_values(mask, box, height=height, width=width, method=method)
        canvas[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    return found


@pytest.mark.parametrize("method", ["expanded", "sampled"])
def test_paste_masks_is_torchvisions_or_grid_sample(method):
    got = both(
        lambda m, b: masks.paste_masks(m, b, height=PASTED["height"], width=PASTED["width"], method=method),
        np.float32(PASTED["masks"]),
        PASTED_BOXES,
        unknown_batch=True,
    )
    expected = np.float32(PASTED[method])
    # detectron2 samples half a cell beyond the box too, where the mask fades; here a box ends where it ends
    inside = np.ones_like(expected, bool) if method == "expanded" else of_boxes(PASTED_BOXES)
    np.testing.assert_allclose(got, np.where(inside, expected, 0), atol=2e-6)


@pytest.mark.parametrize("method", ["expanded", "sampled"])
def test_paste_values_is_torchvisions_or_grid_sample(method):
    expected = np.float32(PASTED[method])
    inside = np.ones_like(expected, bool) if method == "expanded" else of_boxes(PASTED_BOXES)
    np.testing.assert_allclose(drawn_by_numpy(method), np.where(inside, expected, 0), atol=2e-6)


def of_boxes(boxes):
    """Marks the pixels whose middles lie in the boxes."""
    y, x = np.arange(PASTED["height"]) + 0.5, np.arange(PASTED["width"]) + 0.5
    rows = (y >= boxes[:, None, 0]) & (y < boxes[:, None, 2])
    columns = (x >= boxes[:, None, 1]) & (x < boxes[:, None, 3])
    return rows[:, :, None] & columns[:, None, :]


def test_paste_masks_sampled_fades_to_0_where_fading_stops_at_the_least_value():
    mask, box = np.full((1, 2, 2), 0.8, np.float32), np.float32([[0, 0, 4, 4]])
    # middles of cells at 1 and 3; the pixel at 0.5 lies a quarter of a cell outside: 0.75 per axis
    sampled = masks.paste_masks(mask, box, height=4, width=4, method="sampled")[0]
    np.testing.assert_allclose(sampled[0], [0.8 * 0.75 * 0.75, 0.8 * 0.75, 0.8 * 0.75, 0.8 * 0.75 * 0.75], rtol=1e-6)
    fading = masks.paste_masks(mask, box, height=4, width=4, method="fading")[0]
    np.testing.assert_allclose(fading, np.full((4, 4), 0.8), rtol=1e-6)
