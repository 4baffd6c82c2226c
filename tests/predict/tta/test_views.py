import numpy as np
import pytest

from mrcnn.data import resize
from mrcnn.predict.tta import views as looking
from mrcnn.predict.tta.views import View


def views_of(min_dims, usual, *, max_dim=4000, flip=False, shape="rectangle", fit="centred"):
    return looking.views_of(min_dims, max_dim=max_dim, flip=flip, usual=usual, shape=shape, fit=fit)


def test_views_of_a_model_of_800_are_detectron2s():
    found = views_of(None, (800, 1333), flip=True, fit="detectron2")
    assert len(found) == 18
    assert [view.min_dim for view in found[::2]] == [400, 500, 600, 700, 800, 900, 1000, 1100, 1200]
    assert all(view.max_dim == 4000 and view.side is None and not view.flip for view in found[::2])
    assert [view._replace(flip=False) for view in found[1::2]] == list(found[::2])
    assert all(view.flip for view in found[1::2])


def test_views_of_a_square_model_scale_the_square_and_round_it_up_to_64():
    found = views_of(None, (256, 256), shape="square")
    # eighths of 256: 4 * 32 ... 12 * 32
    assert [view.min_dim for view in found] == [128, 160, 192, 224, 256, 288, 320, 352, 384]
    assert [view.max_dim for view in found] == [view.min_dim for view in found]
    assert [view.side for view in found] == [128, 192, 192, 256, 256, 320, 320, 384, 384]


@pytest.mark.parametrize(
    ("min_dim", "usual", "settings", "expected"),
    [
        (800, (800, 1333), {"fit": "torchvision", "max_dim": 1333}, View(800, 1333)),  # the usual input
        (600, (800, 1024), {}, View(600, 768)),  # 1024 * 600 / 800
        (800, (800, 1024), {}, View(800, 1024)),
        (800, (800, 1024), {"max_dim": 900}, View(800, 900)),
        (400, (800, 1024), {"shape": "square"}, View(400, 512, side=512)),
        (800, (800, 1024), {"shape": "square"}, View(800, 1024, side=1024)),
        (800, (800, 1024), {"shape": "square", "max_dim": 1000}, View(800, 960, side=960)),  # 15 * 64
        (800, (800, 1024), {"shape": "square", "max_dim": 10}, View(800, 64, side=64)),  # the least square
        (900, (800, 1024), {"shape": "square", "fit": "detectron2"}, View(900, 1152, side=1152)),
        (256, (800, 512), {}, View(256, 256)),  # the usual short side is 512
        (1, (800, 800), {}, View(1, 1)),
    ],
)
def test_views_of_one_size(min_dim, usual, settings, expected):
    assert views_of([min_dim], usual, **settings) == (expected,)


def test_views_of_a_large_image_differ_with_a_rule_that_does_not_shrink_the_short_side():
    # 3000 x 4000 pixels are limited by their long side alone
    plans = [
        resize.resize_plan(3000, 4000, min_dim=view.min_dim, max_dim=view.max_dim, shape="rectangle")
        for view in views_of([400, 800, 1200], (800, 1024))
    ]
    assert [plan.new_hw for plan in plans] == [(384, 512), (768, 1024), (1152, 1536)]


def test_flipped_mirrors_columns():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    [got] = looking.flipped([image])
    assert got.tolist() == [[[3, 4, 5], [0, 1, 2]], [[9, 10, 11], [6, 7, 8]]]
    assert got.flags.c_contiguous
    assert looking.flipped([]) == []


@pytest.mark.parametrize(
    ("fit", "box"),
    [
        ("detectron2", [10, 20, 30, 60]),  # half as large, padded below and on the right
        ("centred", [17, 34, 37, 74]),  # 50 x 100 in 64 x 128: 7 rows above, 14 columns left
    ],
)
def test_boxes_to_image_and_boxes_to_view_by_hand(fit, box):
    # an image of 100 x 200 at half its size
    plan = resize.resize_plan(100, 200, min_dim=50, max_dim=100, shape="rectangle", fit=fit)
    boxes = np.array([box], np.float32)
    straight = looking.boxes_to_image(boxes, plan, flip=False, rounding="never")
    assert straight.tolist() == [[20, 40, 60, 120]]
    turned = looking.boxes_to_image(boxes, plan, flip=True, rounding="never")
    assert turned.tolist() == [[20, 80, 60, 160]]  # 200 - 120, 200 - 40
    for flip, found in ((False, straight), (True, turned)):
        assert looking.boxes_to_view(found, plan, flip=flip, rounding="never").tolist() == [box]


@pytest.mark.parametrize("rounding", resize.ROUNDINGS)
@pytest.mark.parametrize("flip", [False, True])
def test_boxes_to_view_restores_all_boxes_of_a_view_exactly(flip, rounding):
    plan = resize.resize_plan(333, 517, min_dim=200, max_dim=256)
    boxes = np.random.default_rng(1).uniform(0, 256, (1000, 4)).astype(np.float32)
    found = looking.boxes_to_image(boxes, plan, flip=flip, rounding=rounding)
    np.testing.assert_array_equal(looking.boxes_to_view(found, plan, flip=flip, rounding=rounding), boxes)


def test_boxes_to_image_of_no_boxes():
    plan = resize.resize_plan(10, 10, min_dim=64, max_dim=64)
    assert looking.boxes_to_image(np.zeros((0, 4)), plan, flip=True, rounding="never").shape == (0, 4)
    assert looking.boxes_to_view(np.zeros((0, 4)), plan, flip=True, rounding="never").shape == (0, 4)
