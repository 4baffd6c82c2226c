from collections import Counter

import numpy as np
import pytest

from mrcnn.config.input_size import InputSize
from mrcnn.data import shapes
from mrcnn.structures import Sample

WIDE, TALL, SQUARE = (64, 128), (128, 64), (128, 128)


def _sample(size_hw):
    return Sample("a.png", "missing.png", (), (), (), size_hw)


def test_needed_is_the_smallest_rectangle_of_multiples_of_64():
    size = InputSize(min_dim=100, max_dim=192, shape="rectangle")
    # 50 x 80: times 2 is 100 x 160; 50 x 150: times 192 / 150 is 64 x 192; 20 x 10: times 9.6 is 192 x 96
    found = shapes.needed([_sample((50, 80)), _sample((50, 150)), _sample((20, 10))], size)
    assert found == [(128, 192), (64, 192), (192, 128)]


def test_needed_of_an_image_that_cannot_be_read_is_the_largest():
    assert shapes.needed([_sample(None)], InputSize(min_dim=64, max_dim=192, shape="rectangle")) == [(192, 192)]


@pytest.mark.parametrize("shape", ["square", None])
def test_needed_of_squares(shape):
    assert shapes.needed([_sample((50, 80))], InputSize(min_dim=64, max_dim=192, shape=shape)) == [(192, 192)]


def test_choose_keeps_few_shapes_and_adds_one_that_holds_all():
    assert shapes.choose([WIDE, TALL, WIDE]) == (WIDE, TALL, SQUARE)


def test_choose_merges_what_costs_the_fewest_pixels():
    few, many = (64, 192), (64, 256)
    # 192 -> 256 costs 64 * 64 pixels once, 256 -> the holding shape (256, 256) 192 * 256 nine times
    assert shapes.choose([few, *[many] * 9, (256, 64)], most=3) == (many, (256, 64), (256, 256))


def test_choose_handles_many_shapes():
    every = [(64 * row, 64 * column) for row in range(1, 17) for column in range(1, 17)]
    chosen = shapes.choose(every)
    assert len(chosen) == 8
    assert chosen[-1] == (1024, 1024)
    assert all(shapes.holding(chosen, [shape]) for shape in every)


def test_choose_one_shape_holds_all():
    assert shapes.choose([WIDE, TALL], most=1) == (SQUARE,)


def test_holding_is_the_smallest_that_holds_all():
    chosen = shapes.choose([WIDE, TALL])
    assert shapes.holding(chosen, [WIDE]) == WIDE
    assert shapes.holding(chosen, [WIDE, TALL]) == SQUARE


def test_grouped_lists_each_image_once():
    found = shapes.grouped([TALL, SQUARE, TALL, WIDE])
    assert {shape: group.tolist() for shape, group in found.items()} == {WIDE: [3], TALL: [0, 2], SQUARE: [1]}
    assert list(found) == [WIDE, TALL, SQUARE]
    assert shapes.grouped([]) == {}


def test_shaped_order_has_every_image_once_in_batches_of_one_shape():
    needs = [WIDE] * 9 + [TALL] * 5 + [SQUARE] * 2
    epoch = shapes.ShapedOrder(needs, batch_size=4, seed=0).epoch(0)
    batches = epoch.order.reshape(-1, 4)
    assert sorted(epoch.order) == list(range(16))
    # 2 full batches of wide ones, 1 of tall ones, and 1 of the wide, the tall and both square ones that are left
    assert Counter(epoch.shapes) == {WIDE: 2, TALL: 1, SQUARE: 1}
    for batch, shape in zip(batches, epoch.shapes, strict=True):
        assert all(needs[image][axis] <= shape[axis] for image in batch for axis in (0, 1))
        assert shape == SQUARE or {needs[image] for image in batch} == {shape}


@pytest.mark.parametrize(("wide", "tall", "size"), [(8, 3, 4), (100, 1, 2), (30, 17, 2), (5, 5, 4)])
def test_shaped_order_favours_no_shape(wide, tall, size):
    order = shapes.ShapedOrder([WIDE] * wide + [TALL] * tall, batch_size=size, seed=0)
    epochs = 200
    visits = sum(np.bincount(order.epoch(epoch).order, minlength=wide + tall) for epoch in range(epochs))
    used = (wide + tall) // size * size
    assert visits.sum() == epochs * used
    # each image is drawn in used / all of the epochs; 200 draws stray from that by about 7 at most
    assert np.abs(visits - epochs * used / (wide + tall)).max() < 30


def test_shaped_order_depends_on_seed_and_epoch_alone():
    needs = [WIDE] * 9 + [TALL] * 7
    first = shapes.ShapedOrder(needs, batch_size=2, seed=1)
    again = shapes.ShapedOrder(needs, batch_size=2, seed=1)
    assert first.epoch(3).order.tolist() == again.epoch(3).order.tolist()
    assert first.epoch(3).order.tolist() != first.epoch(4).order.tolist()
    assert first.epoch(3).order.tolist() != shapes.ShapedOrder(needs, batch_size=2, seed=2).epoch(3).order.tolist()


def test_shaped_order_mixes_the_shapes_of_an_epoch():
    needs = [WIDE] * 40 + [TALL] * 40
    found = shapes.ShapedOrder(needs, batch_size=2, seed=0).epoch(0).shapes
    assert found != sorted(found)


def test_shaped_order_of_fewer_images_than_a_batch_repeats_them():
    epoch = shapes.ShapedOrder([WIDE, TALL, WIDE], batch_size=8, seed=0).epoch(0)
    assert sorted(np.bincount(epoch.order).tolist()) == [2, 3, 3]
    assert epoch.shapes == [SQUARE]


def test_shaped_order_without_images_is_refused():
    with pytest.raises(ValueError, match="at least one image"):
        shapes.ShapedOrder([], batch_size=1, seed=0)


@pytest.mark.parametrize(
    ("needs", "text"),
    [
        ([(64, 64)] * 3, "64x64"),
        ([(64, 128)] * 2, "64x128 (rectangles with 50% as many pixels as squares)"),
        # one step of each shape: (64 * 128 + 128 * 128) / 2 / 128 ** 2
        ([(64, 128)] * 2 + [(128, 128)] * 2, "64x128 or 128x128 (rectangles with 75% as many pixels as squares)"),
    ],
)
def test_described(needs, text):
    assert shapes.described(needs, max_dim=128, batch_size=2, seed=0) == text


def test_need_of_follows_the_shape():
    size = InputSize(min_dim=64, max_dim=128, shape="rectangle")
    assert shapes.need_of(4, 6, size) == (64, 128)  # 64 x 96, to multiples of 64
    assert shapes.need_of(4, 6, InputSize(min_dim=64, max_dim=128)) == (128, 128)


@pytest.mark.parametrize(("fit", "expected"), [("torchvision", (800, 1088)), ("detectron2", (800, 1088))])
def test_need_of_the_rules_of_torchvision_and_detectron2_is_a_multiple_of_32(fit, expected):
    size = InputSize(min_dim=800, max_dim=1333, shape="rectangle")
    assert shapes.need_of(480, 640, size, fit=fit) == expected
    assert shapes.need_of(333, 1000, size, fit=fit) == (448, 1344)  # more than `max_dim`, which is no multiple
    assert shapes.needed([_sample((480, 640)), _sample(None)], size, fit=fit) == [expected, (1344, 1344)]


def test_shaped_order_repeats_images_by_their_factors():
    needs = [WIDE, WIDE, TALL, TALL]
    order = shapes.ShapedOrder(needs, batch_size=2, seed=0, factors=np.array([3.0, 1.0, 1.0, 1.0]))
    for epoch in range(5):
        found = order.epoch(epoch)
        assert np.bincount(found.order).tolist() == [3, 1, 1, 1]
        assert Counter(found.shapes) == {WIDE: 2, TALL: 1}
        for batch, shape in zip(found.order.reshape(-1, 2), found.shapes, strict=True):
            assert {needs[image] for image in batch} == {shape}
