import numpy as np

from mrcnn.layers.mask_targets import MaskTargetGenerator
from mrcnn.structures import RoiTargets


def test_masks_come_from_the_matched_object_of_the_right_image():
    masks = np.zeros((2, 2, 8, 8), "uint8")
    masks[1, 1, :, :4] = 255  # the left half of image 1's second object
    batch = {"gt_masks": masks, "gt_boxes": np.tile(np.array([0, 0, 16, 16], "float32"), (2, 2, 1))}
    rois = np.tile(np.array([0, 0, 16, 16], "float32"), (2, 3, 1))
    targets = RoiTargets(
        rois=rois,
        class_ids=np.array([[0, 0, 0], [0, 2, 0]], "int32"),
        deltas=np.zeros((2, 3, 4), "float32"),
        matched_idx=np.array([[0, 0, 0], [0, 1, 0]], "int32"),
        valid=np.ones((2, 3), bool),
    )
    got = MaskTargetGenerator(mask_size=4)(targets, batch, (np.array([0, 1], "int32"), np.array([0, 1], "int32")))
    np.testing.assert_array_equal(got.class_ids, [0, 2])
    np.testing.assert_array_equal(got.weights, [0, 1])  # image 0's first slot is only a filler
    np.testing.assert_array_equal(got.masks[0], np.zeros((4, 4)))
    np.testing.assert_array_equal(got.masks[1], np.tile([1, 1, 0, 0], (4, 1)))
