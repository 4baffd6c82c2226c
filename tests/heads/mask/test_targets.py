import numpy as np
import pytest

from mrcnn.data.rasterize import grid_mask
from mrcnn.heads.mask.targets import MaskTargetGenerator
from mrcnn.ops.mask_paste import paste_mask
from mrcnn.ops.masks import crop_masks
from mrcnn.structures import RoiTargets


def test_mask_target_generator_masks_come_from_the_matched_object_of_the_right_image():
    masks = np.zeros((2, 2, 8, 8), "uint8")
    masks[1, 1, :, :4] = 255  # the left half of image 1's second object
    batch = {
        "gt_masks": masks,
        "gt_boxes": np.tile(np.array([0, 0, 16, 16], "float32"), (2, 2, 1)),
        "neutral": np.zeros((2, 16, 16), bool),
    }
    rois = np.tile(np.array([0, 0, 16, 16], "float32"), (2, 3, 1))
    targets = RoiTargets(
        rois=rois,
        class_ids=np.array([[0, 0, 0], [0, 2, 0]], "int32"),
        deltas=np.zeros((2, 3, 4), "float32"),
        matched_idx=np.array([[0, 0, 0], [0, 1, 0]], "int32"),
        valid=np.ones((2, 3), bool),
    )
    index = (np.array([0, 1], "int32"), np.array([0, 1], "int32"))
    got = MaskTargetGenerator(mask_size=4)(targets, batch, index, pixel_rois=rois[:, 0])
    np.testing.assert_array_equal(got.class_ids, [0, 2])
    np.testing.assert_array_equal(got.weights, np.ones((2, 4, 4)) * [[[0]], [[1]]])  # image 0's slot is only a filler
    np.testing.assert_array_equal(got.masks[0], np.zeros((4, 4)))
    np.testing.assert_array_equal(got.masks[1], np.tile([1, 1, 0, 0], (4, 1)))


def test_mask_target_generator_neutral_pixels_have_no_weight_in_the_object_and_beside_it():
    # regions reach beyond the object's box; 16 / 4 = 4 pixels a cell; crowds do not come here
    neutral = np.zeros((1, 16, 16), bool)
    neutral[0, 5, 2] = neutral[0, 14:, 14:] = True
    batch = {
        "gt_masks": np.full((1, 1, 8, 8), 255, "uint8"),
        "gt_boxes": np.array([[[0, 0, 12, 12]]], "float32"),
        "neutral": neutral,
    }
    rois = np.array([[[0, 0, 16, 16], [0, 0, 16, 16]]], "float32")
    targets = RoiTargets(
        rois=rois,
        class_ids=np.array([[3, 0]], "int32"),
        deltas=np.zeros((1, 2, 4), "float32"),
        matched_idx=np.zeros((1, 2), "int32"),
        valid=np.ones((1, 2), bool),
    )
    index = (np.array([0, 0], "int32"), np.array([0, 1], "int32"))
    got = MaskTargetGenerator(mask_size=4)(targets, batch, index, pixel_rois=rois[0])
    assert np.argwhere(np.array(got.weights[0]) == 0).tolist() == [[1, 0], [3, 3]]
    assert not np.array(got.weights[1]).any()
    np.testing.assert_array_equal(got.masks[0], np.outer([1, 1, 1, 0], [1, 1, 1, 0]))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("soft", [1.0, 0.5, 100 / 255, 0.0]),
        ("cells", [1.0, 1.0, 0.0, 0.0]),
        # from edge to edge the points lie at 0, 7/3, 14/3 and 7 of the columns: 1, 2/3, 100 / 255, 0
        ("corners", [1.0, 1.0, 0.0, 0.0]),
    ],
)
def test_mask_target_generator_soft_targets_keep_the_share_of_a_cell(form, expected):
    # eight stored columns; a target cell's middle lies between two of them: 1 | (1 + 0) / 2 | 100 / 255 | 0
    columns = np.array([255, 255, 255, 0, 100, 100, 0, 0], "uint8")
    batch = {
        "gt_masks": np.tile(columns, (1, 1, 8, 1)),
        "gt_boxes": np.array([[[0, 0, 16, 16]]], "float32"),
        "neutral": np.zeros((1, 16, 16), bool),
    }
    rois = np.array([[[0, 0, 16, 16]]], "float32")
    targets = RoiTargets(
        rois=rois,
        class_ids=np.array([[1]], "int32"),
        deltas=np.zeros((1, 1, 4), "float32"),
        matched_idx=np.zeros((1, 1), "int32"),
        valid=np.ones((1, 1), bool),
    )
    index = (np.array([0], "int32"), np.array([0], "int32"))
    got = MaskTargetGenerator(mask_size=4, form=form)(targets, batch, index, pixel_rois=rois[0])
    np.testing.assert_allclose(got.masks[0], np.tile(expected, (4, 1)), atol=1e-6)


def test_mask_target_generator_soft_targets_are_pasted_more_exactly():
    # a disc of radius 60 in a box of 128 pixels, whose 28 cells of 4.6 pixels its edge crosses
    y, x = np.mgrid[:128, :128] + 0.5
    disc = (y - 64) ** 2 + (x - 64) ** 2 < 60**2
    box = np.array([0, 0, 128, 128], "float32")
    cells = np.asarray(crop_masks(grid_mask(disc, 56)[None], box[None], box[None], output_size=28))[0]

    def overlap(target):
        pasted, _ = paste_mask(target, box, height=128, width=128, threshold=0.5)
        return (pasted & disc).sum() / (pasted | disc).sum()

    assert overlap(cells) > 0.995
    assert overlap((cells >= 0.5).astype("float32")) < 0.985
