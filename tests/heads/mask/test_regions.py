import numpy as np
import pytest

from mrcnn.heads.mask.regions import most_regions, training_regions
from mrcnn.structures import RoiTargets

# two images: an object of class 2, an ignore region and padding; a crowd whose class is 0, and two objects
BATCH = {
    "gt_boxes": np.array(
        [[[8, 8, 40, 40], [0, 0, 20, 20], [0, 0, 0, 0]], [[1, 1, 9, 9], [2, 2, 30, 20], [4, 4, 60, 60]]], "float32"
    ),
    "gt_class_ids": np.array([[2, 0, 0], [0, 1, 3]], "int32"),
    "gt_valid": np.array([[True, False, False], [False, True, True]]),
}


def sample():
    """Returns two sampled regions of each image, the first of which is an object's."""
    return RoiTargets(
        rois=np.array([[[9, 9, 41, 41], [50, 50, 60, 60]], [[3, 3, 31, 21], [0, 0, 5, 5]]], "float32"),
        class_ids=np.array([[2, 0], [1, 0]], "int32"),
        deltas=np.full((2, 2, 4), 0.5, "float32"),
        matched_idx=np.array([[0, 0], [1, 0]], "int32"),
        valid=np.ones((2, 2), bool),
    )


def test_training_regions_of_proposals_are_the_sample():
    sampled = sample()
    assert training_regions(sampled, BATCH, boxes="proposals") is sampled


def test_training_regions_of_the_ground_truth_are_the_objects_own_boxes_whatever_was_sampled():
    found = training_regions(sample(), BATCH, boxes="ground_truth")
    np.testing.assert_array_equal(found.rois, BATCH["gt_boxes"])
    np.testing.assert_array_equal(found.class_ids, [[2, 0, 0], [0, 1, 3]])
    np.testing.assert_array_equal(found.matched_idx, [[0, 1, 2], [0, 1, 2]])
    np.testing.assert_array_equal(found.valid, BATCH["gt_valid"])
    assert not np.asarray(found.deltas).any()
    other = training_regions(sample()._replace(rois=np.zeros((2, 2, 4), "float32")), BATCH, boxes="ground_truth")
    for one, two in zip(found, other, strict=True):
        np.testing.assert_array_equal(one, two)


def test_training_regions_an_ignore_region_has_no_class_even_if_the_batch_gives_it_one():
    batch = {**BATCH, "gt_class_ids": np.array([[2, 3, 0], [1, 1, 3]], "int32")}
    found = training_regions(sample(), batch, boxes="ground_truth")
    np.testing.assert_array_equal(found.class_ids, [[2, 0, 0], [0, 1, 3]])


def test_training_regions_of_both_are_objects_first():
    found = training_regions(sample(), BATCH, boxes="both")
    assert found.rois.shape == (2, 5, 4)
    np.testing.assert_array_equal(found.class_ids, [[2, 0, 0, 2, 0], [0, 1, 3, 1, 0]])
    np.testing.assert_array_equal(found.matched_idx, [[0, 1, 2, 0, 0], [0, 1, 2, 1, 0]])
    np.testing.assert_array_equal(np.asarray(found.rois)[0, 3], [9, 9, 41, 41])


@pytest.mark.parametrize(
    ("boxes", "classes", "expected"),
    [
        ("proposals", (2,), [[2, 0], [0, 0]]),
        ("ground_truth", (1, 2), [[2, 0, 0], [0, 1, 0]]),
        ("both", (3,), [[0, 0, 0, 0, 0], [0, 0, 3, 0, 0]]),
        ("proposals", (), [[0, 0], [0, 0]]),
    ],
)
def test_training_regions_of_other_classes_have_class_0(boxes, classes, expected):
    found = training_regions(sample(), BATCH, boxes=boxes, classes=classes)
    np.testing.assert_array_equal(found.class_ids, expected)


def test_training_regions_refuses_another_word():
    with pytest.raises(ValueError, match="one of proposals, ground_truth, both, got 'boxes'"):
        training_regions(sample(), BATCH, boxes="boxes")


def test_training_regions_of_no_slot_and_no_image():
    nothing = {name: value[:, :0] for name, value in BATCH.items()}
    assert training_regions(sample(), nothing, boxes="ground_truth").rois.shape == (2, 0, 4)
    no_image = {name: value[:0] for name, value in BATCH.items()}
    assert training_regions(sample(), no_image, boxes="ground_truth", classes=(1,)).class_ids.shape == (0, 3)


@pytest.mark.parametrize(
    ("boxes", "most_sampled", "expected"),
    [
        ("proposals", 7, 7), ("proposals", None, None), ("ground_truth", 7, 3), ("ground_truth", None, 3),
        ("both", 7, 10), ("both", None, None),
    ],
)  # fmt: skip
def test_most_regions_counts_slots_and_the_sample(boxes, most_sampled, expected):
    assert most_regions(most_sampled, 3, boxes=boxes) == expected
