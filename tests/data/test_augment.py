import threading

import numpy as np
import pytest

from mrcnn.config.augmentation import ALLOWED, CONTAINERS
from mrcnn.data import augment
from mrcnn.data.rasterize import from_masks
from mrcnn.errors import UserError

FLIP = {"name": "Fliplr", "args": {"p": 1.0}}
NO_OBJECTS = from_masks(masks=[], corners=[], class_ids=[], ignore=[])


def _instances(*boxes, ignore=None):
    return from_masks(
        masks=[np.ones((y2 - y1, x2 - x1), bool) for y1, x1, y2, x2 in boxes],
        corners=[(y1, x1) for y1, x1, _, _ in boxes],
        class_ids=list(range(1, len(boxes) + 1)),
        ignore=ignore or [False] * len(boxes),
    )


def _noise(height=40, width=60, channels=3):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def _run(specs, image, instances=NO_OBJECTS, *, seed=0, epoch=0, place=0):
    return augment.Augmenter(specs, seed=seed)(image, instances, epoch=epoch, place=place)


def test_flip_of_a_box():
    # cases/augment.json hflip_box_polygon (detectron2 tests/data/test_detection_utils.py): width 400,
    # xyxy (10, 10, 200, 300) -> (400 - 200, 10, 400 - 10, 300)
    image = _noise(300, 400)
    flipped, instances = _run([FLIP], image, _instances((10, 10, 300, 200)))
    np.testing.assert_array_equal(instances.boxes, [[10, 200, 300, 390]])
    np.testing.assert_array_equal(flipped, image[:, ::-1])


def test_flip_of_a_mask():
    # the same file's hflip_rle: the left half of a 300 x 400 mask becomes the right half; here with a corner cut out
    mask = np.ones((300, 200), bool)
    mask[:50, :20] = False
    before = from_masks(masks=[mask], corners=[(0, 0)], class_ids=[1], ignore=[False])
    _, after = _run([FLIP], _noise(300, 400), before)
    np.testing.assert_array_equal(after.boxes, [[0, 200, 300, 400]])
    np.testing.assert_array_equal(after.masks[0], mask[:, ::-1])


def test_crop_drops_what_leaves_and_measures_boxes_anew():
    # 10 pixels off each side of 40 x 60: the first box loses its part left of x = 10, the second is gone
    spec = {"name": "Crop", "args": {"px": 10, "keep_size": False}}
    image = _noise()
    before = _instances((12, 5, 20, 30), (0, 0, 8, 60), (30, 50, 40, 60), (15, 20, 30, 40), ignore=[False] * 3 + [True])
    cropped, after = _run([spec], image, before)
    np.testing.assert_array_equal(cropped, image[10:30, 10:50])
    np.testing.assert_array_equal(after.boxes, [[2, 0, 10, 20], [5, 10, 20, 30]])
    assert after.class_ids.tolist() == [1, 4]
    assert after.ignore.tolist() == [False, True]


def test_overlapping_objects_survive():
    box = (5, 5, 25, 25)
    _, after = _run([FLIP], _noise(), _instances(box, box, (10, 10, 20, 20), (0, 40, 40, 60)))
    mirrored = [5, 60 - 25, 25, 60 - 5]
    np.testing.assert_array_equal(after.boxes, [mirrored, mirrored, [10, 40, 20, 50], [0, 0, 40, 20]])
    assert all(mask.all() for mask in after.masks)


def test_objects_in_one_map_keep_their_pixels():
    corner = np.ones((20, 20), bool)
    corner[:10, :10] = False  # the second object lies in the first one's notch
    before = from_masks(
        masks=[corner, np.ones((10, 10), bool)], corners=[(0, 0), (0, 0)], class_ids=[1, 2], ignore=[False, False]
    )
    assert augment._to_maps(before, (40, 60)).shape == (40, 60, 1)
    _, after = _run([FLIP], _noise(), before)
    np.testing.assert_array_equal(after.masks[0], corner[:, ::-1])
    np.testing.assert_array_equal(after.boxes, [[0, 40, 20, 60], [0, 50, 10, 60]])


def test_objects_apart_share_a_map():
    apart = [(y, x, y + 4, x + 4) for y in range(0, 40, 5) for x in range(0, 60, 5)]
    assert augment._to_maps(_instances(*apart), (40, 60)).shape == (40, 60, 1)
    assert augment._to_maps(_instances(*apart, (0, 0, 40, 60)), (40, 60)).shape == (40, 60, 2)


def test_turning_moves_image_and_mask_alike():
    image = np.zeros((64, 64, 3), np.uint8)
    image[10:30, 20:50] = 255
    turned, after = _run([{"name": "Rotate", "args": {"rotate": 90}}], image, _instances((10, 20, 30, 50)))
    white = np.zeros((64, 64), bool)
    y1, x1, y2, x2 = after.boxes[0].astype(int)
    white[y1:y2, x1:x2] = after.masks[0]
    assert (white == (turned[..., 0] > 127)).mean() > 0.98
    assert x2 - x1 < y2 - y1


def test_pixel_augmenters_leave_objects_alone():
    instances = _instances((1, 1, 3, 3))
    image = np.full((8, 8, 3), 100, np.uint8)
    changed, after = _run([{"name": "Add", "args": {"value": 5}}], image, instances)
    assert after is instances
    assert (changed == 105).all()
    assert (image == 100).all()


def test_nothing_to_do():
    augmenter, image, instances = augment.Augmenter([], seed=0), _noise(), _instances((1, 1, 3, 3))
    assert not augmenter
    assert augmenter(image, instances, epoch=0, place=0) == (image, instances)


def test_an_image_without_objects_is_moved_too():
    image = _noise()
    flipped, after = _run([FLIP], image)
    np.testing.assert_array_equal(flipped, image[:, ::-1])
    assert after.boxes.shape == (0, 4)


def test_one_channel():
    assert _run([FLIP, {"name": "Add", "args": {"value": 1}}], _noise(channels=1))[0].shape == (40, 60, 1)


STRONG = {"Fliplr": {"p": 0.5}, "Flipud": {"p": 0.5}, "Affine": {"rotate": (-30, 30)}, "Rot90": {"k": (0, 3)}}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_happens_depends_on_seed_epoch_and_index_alone(name):
    spec = {"name": name, "args": STRONG.get(name, {})}
    if name in CONTAINERS:
        spec["children"] = [{"name": "Add", "args": {"value": (-50, 50)}}, {"name": "Fliplr", "args": {"p": 0.5}}]
    image, instances = _noise(), _instances((10, 10, 30, 30))
    augmenter = augment.Augmenter([spec], seed=3)
    first = [augmenter(image, instances, epoch=1, place=index) for index in range(2)]
    again = [augmenter(image, instances, epoch=1, place=index) for index in (1, 0)][::-1]
    fresh = [_run([spec], image, instances, seed=3, epoch=1, place=index) for index in range(2)]
    for other in (again, fresh):
        for (image_a, objects_a), (image_b, objects_b) in zip(first, other, strict=True):
            np.testing.assert_array_equal(image_a, image_b)
            np.testing.assert_array_equal(objects_a.boxes, objects_b.boxes)


@pytest.mark.parametrize("change", [{"seed": 1}, {"epoch": 1}, {"place": 1}])
def test_seed_epoch_and_place_all_count(change):
    spec = [{"name": "AddElementwise", "args": {"value": (-50, 50)}}]
    image = _noise()
    assert (_run(spec, image)[0] != _run(spec, image, **change)[0]).mean() > 0.5


def test_threads_do_not_disturb_each_other():
    augmenter = augment.Augmenter([{"name": "AddElementwise", "args": {"value": (-50, 50)}}], seed=0)
    image = _noise()
    expected = [augmenter(image, NO_OBJECTS, epoch=0, place=index)[0] for index in range(40)]
    found = {}

    def work(numbers):
        for index in numbers:
            found[index] = augmenter(image, NO_OBJECTS, epoch=0, place=index)[0]

    threads = [threading.Thread(target=work, args=(range(start, 40, 4),)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(40):
        np.testing.assert_array_equal(found[index], expected[index])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "Jigsaw"}, "'Jigsaw' is not one of the allowed"),
        ({"name": "Sometimes", "children": [{"name": "Jigsaw"}]}, "'Jigsaw'"),
        ({"name": "Fliplr", "args": {"probability": 1}}, "imgaug refuses Fliplr with .*probability"),
    ],
)
def test_mistakes_are_found_when_it_is_built(spec, message):
    with pytest.raises(UserError, match=message):
        augment.Augmenter([spec], seed=0)


def test_an_image_the_augmenters_cannot_handle():
    with pytest.raises(UserError, match=r"`augmentation` fails on an image of shape \(4, 4, 2\)"):
        _run([{"name": "MultiplyHue"}], np.zeros((4, 4, 2), np.uint8))
