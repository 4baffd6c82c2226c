import numpy as np
import pytest

from mrcnn.data import batching
from mrcnn.data.rasterize import from_masks
from mrcnn.structures import Batch, Instances

SHAPES = batching.Shapes(min_dim=64, max_dim=64, channels=3, max_gt_instances=4, gt_mask_size=8)


def _instances(*boxes, ignore=None, class_ids=None):
    return from_masks(
        masks=[np.ones((y2 - y1, x2 - x1), bool) for y1, x1, y2, x2 in boxes],
        corners=[(y1, x1) for y1, x1, _, _ in boxes],
        class_ids=class_ids or list(range(1, len(boxes) + 1)),
        ignore=ignore or [False] * len(boxes),
    )


def _example(instances, *, hw=(32, 128), seed=0):
    image = np.full((*hw, 3), 7, np.uint8)
    return batching.make_example(image, instances, shapes=SHAPES, image_id=5, seed=seed)


def test_objects_move_with_the_image():
    # 128 -> 64 columns is a factor .5, 32 -> 16 rows with (64 - 16) // 2 = 24 above
    example = _example(_instances((4, 10, 20, 100), (0, 0, 32, 128)))
    np.testing.assert_array_equal(example["windows"], [24, 0, 40, 64])
    np.testing.assert_array_equal(example["gt_boxes"], [[26, 5, 34, 50], [24, 0, 40, 64], [0] * 4, [0] * 4])
    np.testing.assert_array_equal(example["gt_class_ids"], [1, 2, 0, 0])
    np.testing.assert_array_equal(example["gt_valid"], [True, True, False, False])
    assert not example["gt_ignore"].any()
    assert (example["gt_masks"][:2] == 255).all()
    assert not example["gt_masks"][2:].any()
    assert (example["images"][24:40] == 7).all()
    assert example["images"].sum() == 7 * 16 * 64 * 3
    assert (example["image_ids"], example["seeds"]) == (5, 0)


def test_regions_to_ignore_have_no_class_and_are_not_valid():
    example = _example(_instances((0, 0, 8, 8), (0, 0, 9, 9), ignore=[True, False], class_ids=[3, 2]))
    np.testing.assert_array_equal(example["gt_class_ids"], [0, 2, 0, 0])
    np.testing.assert_array_equal(example["gt_valid"], [False, True, False, False])
    np.testing.assert_array_equal(example["gt_ignore"], [True, False, False, False])


def test_neutral_pixels_are_marked_where_they_touch_and_crowds_are_not():
    # 128 -> 64 columns: column 10 lies in 5, 11..13 in 5 and 6; 32 -> 16 rows from 24 on: rows 4..6 lie in 26 and 27.
    # class 0 is the neutral one's, 2 a crowd's
    example = _example(
        _instances((4, 11, 7, 14), (0, 0, 32, 128), (0, 60, 8, 90), ignore=[True, False, True], class_ids=[0, 1, 2])
    )
    assert np.argwhere(example["neutral"]).tolist() == [[26, 5], [26, 6], [27, 5], [27, 6]]


def test_neutral_pixels_of_an_enlarged_image():
    # 8 x 16 -> 32 x 64 is a factor of 4, with (64 - 32) / 2 = 16 above: pixel (2, 3) covers 16 of the input's
    instances = from_masks(masks=[np.ones((1, 1), bool)], corners=[(2, 3)], class_ids=[0], ignore=[True])
    example = _example(instances, hw=(8, 16))
    expected = np.zeros((64, 64), bool)
    expected[24:28, 12:16] = True
    np.testing.assert_array_equal(example["neutral"], expected)


def test_neutral_masks_count_by_their_pixels_and_without_a_slot():
    mask = np.eye(32, dtype=bool)
    boxes = [(0, x, 8, x + 8) for x in range(0, 120, 8)]
    instances = _instances(*boxes)
    diagonals = from_masks(masks=[mask] * 4, corners=[(0, x) for x in range(0, 128, 32)], class_ids=[0] * 4,
                           ignore=[True] * 4)  # fmt: skip
    both = Instances(
        boxes=np.concatenate([instances.boxes, diagonals.boxes]),
        class_ids=np.concatenate([instances.class_ids, diagonals.class_ids]),
        masks=instances.masks + diagonals.masks,
        ignore=np.concatenate([instances.ignore, diagonals.ignore]),
    )
    example = _example(both)
    np.testing.assert_array_equal(example["neutral"][24:40], np.tile(np.eye(16, dtype=bool), (1, 4)))
    assert example["neutral"].sum() == 64


@pytest.mark.parametrize(("pixels", "rows"), [(3, 7), (7, 3), (5, 5), (1, 4), (4, 1), (1000, 17)])
def test_scaled_marks_agree_with_overlaps_of_intervals(pixels, rows):
    marked = np.random.default_rng(pixels).random((pixels, 2)) < 0.3
    expected = np.zeros((rows, 2), bool)
    for row, pixel in np.ndindex(rows, pixels):
        if row * pixels < (pixel + 1) * rows and pixel * rows < (row + 1) * pixels:
            expected[row] |= marked[pixel]
    np.testing.assert_array_equal(batching._any_within(marked, rows), expected)


def test_make_example_of_another_short_side_has_that_one():
    shapes = SHAPES._replace(min_dim=32, max_dim=64)
    image, instances = np.full((16, 32, 3), 9, np.uint8), _instances((0, 0, 8, 16))
    plain, other = (
        batching.make_example(image, instances, shapes=shapes, image_id=0, seed=0, min_dim=min_dim)
        for min_dim in (None, 24)
    )
    assert plain["windows"].tolist() == [16, 0, 48, 64]  # 32 x 64 in the middle of 64 x 64
    assert other["windows"].tolist() == [20, 8, 44, 56]  # 24 x 48
    assert other["gt_boxes"][0].tolist() == [20, 8, 32, 32]  # 8 x 16 by 1.5


def test_no_objects():
    example = _example(_instances())
    fields = ("gt_boxes", "gt_class_ids", "gt_masks", "gt_valid", "gt_ignore", "neutral")
    assert not any(example[name].any() for name in fields)


def test_example_spec_every_field_has_its_shape_and_dtype():
    spec = batching.example_spec(SHAPES)
    assert tuple(spec) == Batch._fields
    for example in (_example(_instances((0, 0, 8, 8))), batching.empty_example(SHAPES)):
        assert {name: (value.shape, value.dtype) for name, value in example.items()} == {
            name: (shape, np.dtype(dtype)) for name, (shape, dtype) in spec.items()
        }


def test_more_objects_than_slots_leave_a_seeded_choice():
    boxes = [(0, x, 8, x + 8) for x in range(0, 120, 8)]
    chosen = [_example(_instances(*boxes), seed=seed)["gt_class_ids"].tolist() for seed in range(20)]
    assert all(ids == sorted(set(ids)) and len(ids) == 4 for ids in chosen)
    assert _example(_instances(*boxes), seed=3)["gt_class_ids"].tolist() == chosen[3]
    assert {number for ids in chosen for number in ids} == set(range(1, 16))  # any of the 15 can stay


def test_the_choice_keeps_box_mask_and_class_together():
    boxes = [(0, x, 8, x + 8) for x in range(0, 120, 8)]
    example = _example(_instances(*boxes), seed=1)
    # box i = class i + 1 begins at column 8 i, in the input at 4 i
    np.testing.assert_array_equal(example["gt_boxes"][:, 1], 4 * (example["gt_class_ids"] - 1))


def test_the_choice_keeps_the_mask():
    # the first object is too small for the input; the second is empty in its upper half: 4 of 8 cells
    mask = np.ones((16, 16), bool)
    mask[:8] = False
    instances = from_masks(
        masks=[np.ones((1, 1), bool), mask], corners=[(0, 0), (0, 8)], class_ids=[1, 2], ignore=[False, False]
    )
    example = _example(instances, hw=(64, 256))
    assert example["gt_class_ids"].tolist() == [2, 0, 0, 0]
    np.testing.assert_array_equal(example["gt_masks"][0], np.repeat([[0], [255]], 4, axis=0) * np.ones((1, 8)))


@pytest.mark.parametrize(("hw", "left"), [((64, 256), []), ((64, 128), [1])])
def test_an_object_too_small_for_the_input_is_left_out(hw, left):
    # one pixel of 256 columns is 64 / 256 = .25 of the input's; of 128 it is .5, which still counts
    example = _example(_instances((10, 10, 11, 11)), hw=hw)
    assert example["gt_class_ids"][example["gt_valid"]].tolist() == left


def test_empty_example_is_marked():
    assert batching.empty_example(SHAPES)["image_ids"] == -1
