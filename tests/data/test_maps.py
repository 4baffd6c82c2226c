"""Maps of whole images: drawn from annotations, and moved with their image."""

import numpy as np
import pytest

from mrcnn.data import augment, batching, copy_paste, maps, scale_jitter
from mrcnn.data.rasterize import draw_sample, from_masks
from mrcnn.data.resize import resize_plan
from mrcnn.project.geometry import Bitmap
from mrcnn.structures import UNLABELLED, Sample

VOID = UNLABELLED
SKY, ROAD = 1, 2


def figure(top, left, bottom, right):
    return Bitmap((left, top), np.ones((bottom - top, right - left), bool))


def objects(*boxes, class_ids=None, ignore=None):
    return from_masks(
        masks=[np.ones((y2 - y1, x2 - x1), bool) for y1, x1, y2, x2 in boxes],
        corners=[box[:2] for box in boxes],
        class_ids=class_ids or [1] * len(boxes),
        ignore=ignore or [False] * len(boxes),
    )


def draw(instances, *stuff, size=(1, 8)):
    return maps.semantic_map(instances, stuff, height=size[0], width=size[1])


def test_semantic_map_draws_stuff_below_things():
    # sky in 0..5, road in 3..7 above it, a thing in 6..8 above both
    found = draw(objects((0, 6, 1, 8)), (figure(0, 0, 1, 5), SKY), (figure(0, 3, 1, 7), ROAD))
    assert found.dtype == np.uint8
    assert found.tolist() == [[SKY, SKY, SKY, ROAD, ROAD, ROAD, 0, 0]]


def test_semantic_map_of_groups_and_neutral_objects():
    # a group is a thing; a neutral object is unlabelled, but not where an object is above it
    instances = objects((0, 0, 1, 2), (0, 2, 1, 6), (0, 5, 1, 6), class_ids=[1, 0, 2], ignore=[True, True, False])
    assert draw(instances, (figure(0, 0, 1, 8), SKY)).tolist() == [[0, 0, VOID, VOID, VOID, 0, SKY, SKY]]


def test_semantic_map_of_nothing_is_unlabelled():
    assert draw(objects()).tolist() == [[VOID] * 8]
    assert draw(objects(), (figure(0, 9, 1, 12), SKY)).tolist() == [[VOID] * 8]  # outside the image


def test_draw_sample_has_a_map_only_with_annotated_stuff():
    sample = Sample("a", "a.png", (figure(0, 0, 1, 2),), (1,), (False,), stuff=((figure(0, 0, 1, 4), SKY),))
    assert draw_sample(sample, height=1, width=5).maps["semantic"].tolist() == [[0, 0, SKY, SKY, VOID]]
    assert draw_sample(sample._replace(stuff=()), height=1, width=3).maps["semantic"].tolist() == [[0, 0, VOID]]
    assert draw_sample(sample._replace(stuff=None), height=1, width=3).maps == {}


def test_to_input_scales_and_pads():
    # 2 x 4 -> 4 x 8 in 8 x 8, two rows of padding above and below
    plan = resize_plan(2, 4, min_dim=8, max_dim=8)
    drawn = np.uint8([[0, 0, 1, 2], [0, 0, 1, VOID]])
    found = maps.to_input(drawn, plan)
    assert found.shape == (8, 8)
    np.testing.assert_array_equal(found[2:6], drawn.repeat(2, axis=0).repeat(2, axis=1))
    assert (found[:2] == VOID).all()
    assert (found[6:] == VOID).all()


def test_scaled_takes_the_value_at_the_middle_of_a_pixel():
    # of 6 pixels the middles of 2 new ones are at 1.5 and 4.5: pixels 1 and 4
    assert maps.scaled(np.uint8([[9, 1, 9, 9, 2, 9]]), (1, 2)).tolist() == [[1, 2]]


def test_make_example_has_the_map_of_the_model_input():
    shapes = batching.Shapes(min_dim=64, max_dim=64, channels=3, max_gt_instances=2, gt_mask_size=4, maps=("semantic",))
    image = np.zeros((32, 64, 3), np.uint8)
    drawn = np.full((32, 64), SKY, np.uint8)
    example = batching.make_example(
        image, objects((0, 0, 8, 8))._replace(maps={"semantic": drawn}), shapes=shapes, image_id=0, seed=0
    )
    spec = batching.example_spec(shapes)
    assert list(example) == list(spec)
    assert spec["gt_semantic"] == ((64, 64), np.uint8)
    assert (example["gt_semantic"][16:48] == SKY).all()
    assert (example["gt_semantic"][:16] == VOID).all()
    assert batching.empty_example(shapes)["gt_semantic"].shape == (64, 64)


def pattern(height=40, width=60):
    """Makes an image whose red channel is its own semantic map, and no objects."""
    drawn = np.random.default_rng(0).integers(0, 3, (height // 10, width // 10), np.uint8).repeat(10, 0).repeat(10, 1)
    return np.stack([drawn * 40 + 40] * 3, axis=-1), objects()._replace(maps={"semantic": drawn})


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "Fliplr", "args": {"p": 1.0}},
        {"name": "Flipud", "args": {"p": 1.0}},
        {"name": "Crop", "args": {"px": 10, "keep_size": False}},
        {"name": "Rot90", "args": {"k": 1, "keep_size": False}},
        {"name": "Affine", "args": {"translate_px": {"x": 20, "y": 0}}},
    ],
)
def test_augmenter_moves_maps_with_the_image(spec):
    moved, found = augment.Augmenter([spec], seed=0)(*pattern(), epoch=0, place=0)
    drawn = found.maps["semantic"]
    assert drawn.shape == moved.shape[:2]
    expected = np.where(moved[..., 0] == 0, VOID, (moved[..., 0].astype(int) - 40) // 40)  # black is outside the image
    np.testing.assert_array_equal(drawn, expected)
    assert (drawn == VOID).any() == (spec["name"] == "Affine")


def test_augmenter_keeps_unlabelled_pixels_and_objects():
    image = np.zeros((4, 8, 3), np.uint8)
    before = objects((0, 0, 2, 3))._replace(maps={"semantic": np.uint8([[0, 0, 0, VOID, 1, 1, 2, 2]] * 4)})
    _, after = augment.Augmenter([{"name": "Fliplr", "args": {"p": 1.0}}], seed=0)(image, before, epoch=0, place=0)
    assert after.maps["semantic"].tolist() == [[2, 2, 1, 1, VOID, 0, 0, 0]] * 4
    assert after.boxes.tolist() == [[0, 5, 2, 8]]


def test_augmenter_of_colours_leaves_maps_alone():
    image, before = pattern()
    _, after = augment.Augmenter([{"name": "Multiply", "args": {"mul": 0.5}}], seed=0)(image, before, epoch=0, place=0)
    np.testing.assert_array_equal(after.maps["semantic"], before.maps["semantic"])


def test_scale_jitter_places_maps():
    # twice as large, from row 1 and column 2 on, on a canvas of 4 x 7 where the last columns are outside
    drawn = np.uint8([[1, 2, 0, 1], [2, VOID, 1, 0]])
    placement = scale_jitter.Placement((4, 8), (1, 2), (4, 7))
    _, found = scale_jitter.place(
        np.zeros((2, 4, 3), np.uint8), objects()._replace(maps={"semantic": drawn}), placement
    )
    larger = drawn.repeat(2, axis=0).repeat(2, axis=1)
    expected = np.full((4, 7), VOID)
    expected[:3, :6] = larger[1:, 2:]
    np.testing.assert_array_equal(found.maps["semantic"], expected)


def test_copy_paste_makes_pasted_pixels_things():
    below = objects()._replace(maps={"semantic": np.full((4, 6), SKY, np.uint8)})
    blank = np.zeros((4, 6, 3), np.uint8)
    other = objects((1, 2, 3, 4))._replace(maps={"semantic": np.full((4, 6), ROAD, np.uint8)})
    _, found = copy_paste.paste_objects(blank, below, source=blank, source_instances=other, chosen=np.array([0]))
    expected = np.full((4, 6), SKY)
    expected[1:3, 2:4] = 0
    np.testing.assert_array_equal(found.maps["semantic"], expected)


def test_images_without_maps_stay_without():
    blank, none = np.zeros((4, 6, 3), np.uint8), objects((0, 0, 2, 2))
    _, flipped = augment.Augmenter([{"name": "Fliplr", "args": {"p": 1.0}}], seed=0)(blank, none, epoch=0, place=0)
    _, placed = scale_jitter.place(blank, none, scale_jitter.Placement((4, 6), (0, 0), (4, 6)))
    assert flipped.maps == placed.maps == {}
