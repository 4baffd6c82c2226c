import numpy as np
import pytest

from mrcnn.project import census
from mrcnn.project.census import Census, Limits

LIMITS = Limits(64, 64, None, 100)


def make(limits=LIMITS, **images):
    """Counts images of 640 x 640 pixels, each a list of (title, why ignored, side in pixels)."""
    counted = Census("training", limits)
    for name, objects in images.items():
        counted.add(
            name,
            (640, 640),
            boxes=np.array([(0, 0, side, side) for _, _, side in objects], float).reshape(-1, 4),
            titles=[title for title, _, _ in objects],
            ignored=[why for _, why, _ in objects],
        )
    return counted


@pytest.mark.parametrize(
    ("size", "min_dim", "max_dim", "scale", "new"),
    [
        ((640, 480), 64, 64, 0.1, (64, 48)),
        ((100, 50), 200, 1000, 4.0, (400, 200)),  # the short side to 200
        ((100, 50), 200, 300, 3.0, (300, 150)),  # the long side must fit
        ((3, 1000), 64, 64, 0.064, (1, 64)),  # 0.192 is rounded to at least one pixel
    ],
)
def test_fitted(size, min_dim, max_dim, scale, new):
    assert census.fitted(*size, min_dim=min_dim, max_dim=max_dim) == (pytest.approx(scale), new)


def test_fitted_refuses_what_has_no_pixel():
    with pytest.raises(ValueError, match="at least one pixel a side, got 0x5"):
        census.fitted(0, 5, min_dim=64, max_dim=64)


def test_seen_needs_half_a_pixel_in_both_directions():
    boxes = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.49, 9], [3, 3, 9, 3.4], [1, 1, 5, 5]])
    assert census.seen(boxes).tolist() == [True, False, False, True]
    assert census.seen(np.zeros((0, 4))).tolist() == []


def test_census_objects_that_vanish_at_the_input_are_counted_and_named():
    # the image is shrunk to a tenth: 4 pixels become 0.4, 5 become 0.5
    counted = make(a=[("cat", None, 4), ("cat", None, 5)], b=[("dog", None, 100)])
    assert (counted.small, counted.small_in, counted.objects) == (1, ["a"], {"cat": 2, "dog": 1})
    assert list(counted.remarks()) == [
        "training set: 1 of 3 objects are under half a pixel at the model's input of 64x64 and are not learnt (a); "
        "raise `input_size.max_dim`"
    ]
    assert counted.refusal() is None


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({}, "the training set has no image"),
        ({"a": [], "b": []}, "the training set has no object of a class to learn in its 2 images; annotate some"),
        ({"a": [("cat", "crowd", 50)]}, "the training set has no object of a class to learn in its 1 images"),
        (
            {"a": [("cat", None, 4)], "b": [("cat", None, 3)]},
            "all 2 objects of the training set are under half a pixel",
        ),
    ],
)
def test_refusal_where_nothing_is_left_to_learn(images, message):
    assert make(**images).refusal().startswith(message)


def test_census_regions_to_ignore_are_counted_by_kind_and_take_slots():
    counted = make(a=[("cat", None, 50), ("cat", "crowd", 50), ("", "neutral", 50), ("", "neutral", 50)])
    assert (counted.crowds, counted.neutral, counted.objects.total(), counted.largest) == (1, 2, 1, ("a", 4))
    assert list(counted.remarks()) == [
        "training set: 1 crowd and 2 neutral objects taken as regions to ignore: not learnt, and detections there are "
        "not false positives"
    ]


def test_census_images_with_more_objects_than_a_limit_are_named_with_its_key():
    images = {"a": [("cat", None, 50)] * 3, "b": [("cat", None, 50)] * 5, "c": [("cat", None, 50)]}
    assert list(make(Limits(64, 64, 2, 4), **images).remarks()) == [
        "training set: 2 images with more than 2 objects, the most is 5 in b: each time a random choice of 2 is learnt "
        "and the others count as background; raise `model.max_gt_instances`",
        "training set: b has 5 objects, but at most 4 are found in an image; raise `model.detections_per_image`",
    ]
    assert list(make(Limits(64, 64, 5, 5), **images).remarks()) == []
    assert list(make(Limits(64, 64, None, 5), **images).remarks()) == []


def test_census_classes_without_an_object_and_objects_left_out_are_named():
    counted = make(a=[("cat", None, 50)])
    counted.add("b", (10, 10), boxes=np.zeros((0, 4)), titles=[], ignored=[], left_out=3)
    assert list(counted.remarks(["cat", "dog", "fox"])) == [
        "training set: no object of 2 classes (dog, fox)",
        "training set: 3 objects left out, outside the image or of an unknown shape",
    ]
    assert counted.slots == {"a": 1, "b": 0}


def test_remarks_say_that_a_rectangle_is_at_most_a_square():
    counted = make(Limits(64, 64, None, 100, "rectangle"), a=[("cat", None, 4), ("cat", None, 5)])
    assert "at the model's input of at most 64x64 and are not learnt" in next(counted.remarks())


@pytest.mark.parametrize(("fit", "small"), [("centred", 0), ("torchvision", 1), ("detectron2", 1)])
def test_census_shrinks_images_by_the_rule(fit, small):
    # 640 pixels: `centred` does not shrink to 64 what `max_dim` holds; the others make 4 pixels 0.4
    counted = make(census.Limits(64, 640, None, 100, fit=fit), a=[("cat", None, 4), ("cat", None, 5)])
    assert counted.small == small
    assert counted.slots == {"a": 2 - small}
