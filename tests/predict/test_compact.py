"""Detections with masks inside their boxes."""

import numpy as np

from mrcnn.predict import compact
from mrcnn.structures import CroppedMask, Detections

from . import helpers

RNG = np.random.default_rng(4)


def make_random(count=5, size=(23, 31)):
    masks = RNG.random((count, *size)) > 0.97
    masks[:, 5, 6] = True
    return Detections(
        RNG.random((count, 4)).astype(np.float32),
        RNG.integers(1, 3, count).astype(np.int32),
        tuple("abcde"[:count]),
        RNG.random(count).astype(np.float32),
        masks,
    )


def assert_same(first, second):
    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left, right)


def test_there_and_back():
    dense = make_random()
    assert_same(compact.to_dense(compact.from_dense(dense)), dense)


def test_none_there_and_back():
    none = helpers.make_detections([], [], [], size=(6, 8))
    assert compact.to_dense(compact.from_dense(none)).masks.shape == (0, 6, 8)
    assert compact.from_dense(none).size == (6, 8)
    assert compact.concatenate([], size=(6, 8)).masks == ()


def test_a_mask_without_a_pixel_is_left_out():
    dense = helpers.make_detections([[0, 0, 2, 2], [3, 3, 3, 3]], ["cat", "dog"], [0.5, 0.9], size=(6, 8))
    assert compact.from_dense(dense).class_names == ("cat",)


def test_a_mask_takes_a_bit_a_pixel_of_its_box():
    canvas = np.zeros((4000, 6000), bool)
    canvas[1000:1100, 2000:2080] = True
    mask = CroppedMask.from_pixels(canvas)
    assert (mask.origin, mask.shape, mask.area, mask.box) == ((1000, 2000), (100, 80), 8000, (1000, 2000, 1100, 2080))
    assert mask.bits.nbytes == 1000


def test_best_first_is_stable():
    dense = make_random(4)._replace(scores=np.float32([0.5, 0.9, 0.5, 0.7]))
    assert compact.best_first(compact.from_dense(dense)).class_names == ("b", "d", "a", "c")


def test_put_behind_one_another():
    dense = make_random()
    found = compact.from_dense(dense)
    parts = [compact.take(found, [0, 1]), compact.empty(found.size), compact.take(found, [2, 3, 4])]
    assert_same(compact.to_dense(compact.concatenate(parts, size=found.size)), dense)


def with_map(left=1, right=2, size=(6, 8)):
    drawn = np.full(size, left, np.uint8)
    drawn[:, size[1] // 2 :] = right
    return compact.empty(size)._replace(maps={"semantic": drawn})


def test_maps_go_there_and_back_and_with_a_choice_of_detections():
    found = with_map()
    assert compact.from_dense(compact.to_dense(found)).maps["semantic"] is found.maps["semantic"]
    assert compact.take(found, []).maps == found.maps


def test_concatenate_keeps_the_maps_of_the_first():
    found = compact.concatenate([with_map(), with_map(3, 3)], size=(6, 8))
    np.testing.assert_array_equal(found.maps["semantic"], with_map().maps["semantic"])
