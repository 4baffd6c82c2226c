"""Sizes of images in the model input, by the rule of each code base.

Sources of the cases: torchvision 0.29.1 `GeneralizedRCNNTransform`, detectron2 at 02b5c4e2 `ResizeShortestEdge`, both
with 800 and 1333 pixels.
"""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.export import graph
from mrcnn.images import fit

# height and width: detectron2's size, torchvision's size, torchvision's size with padding
CASES = {
    (480, 640): ((800, 1067), (800, 1066), (800, 1088)),
    (640, 480): ((1067, 800), (1066, 800), (1088, 800)),
    (375, 500): ((800, 1067), (800, 1066), (800, 1088)),
    (1200, 300): ((1333, 333), (1333, 333), (1344, 352)),
    (100, 100): ((800, 800), (800, 800), (800, 800)),
    (2000, 3000): ((800, 1200), (800, 1200), (800, 1216)),
    (333, 1000): ((444, 1333), (443, 1333), (448, 1344)),
    (801, 1333): ((800, 1331), (800, 1331), (800, 1344)),
    (427, 640): ((800, 1199), (800, 1199), (800, 1216)),
}


@pytest.mark.parametrize(("size", "expected"), CASES.items())
def test_fitted_is_that_of_torchvision_and_detectron2(size, expected):
    numbers = {"min_dim": 800, "max_dim": 1333}
    assert fit.fitted(*size, **numbers, fit="detectron2")[1] == expected[0]
    new = fit.fitted(*size, **numbers, fit="torchvision")[1]
    assert new == expected[1]
    assert fit.smallest_rectangle(new, fit="torchvision") == expected[2]


@pytest.mark.parametrize(
    ("rule", "scale", "expected"),
    [
        ("centred", 1.0, (100, 202)),  # an image that fits is not shrunk
        ("torchvision", 0.5, (50, 101)),
        ("detectron2", 0.5, (50, 101)),
    ],
)
def test_fitted_shrinks_by_the_rules_of_torchvision_and_detectron2_alone(rule, scale, expected):
    assert fit.fitted(100, 202, min_dim=50, max_dim=300, fit=rule) == (scale, expected)


@pytest.mark.parametrize(
    ("rule", "expected"),
    # 5 * 0.5 = 2.5 and 7 * 0.5 = 3.5 of the short side; the long one, 64 * 0.5, stays whole
    [("centred", (2, 4)), ("torchvision", (2, 3)), ("detectron2", (3, 4))],
)
def test_fitted_rounds_to_even_down_or_up(rule, expected):
    sides = tuple(fit.fitted(side, 64, min_dim=32, max_dim=32, fit=rule)[1][0] for side in (5, 7))
    assert sides == expected


@pytest.mark.parametrize("rule", fit.FITS)
def test_fitted_leaves_at_least_one_pixel(rule):
    assert fit.fitted(1, 1000, min_dim=1, max_dim=64, fit=rule)[1] == (1, 64)
    with pytest.raises(ValueError, match="at least one pixel a side, got 0x5 and min_dim 64, max_dim 64"):
        fit.fitted(0, 5, min_dim=64, max_dim=64, fit=rule)


def test_rule_must_be_known():
    with pytest.raises(ValueError, match=r"^the fit must be one of centred, torchvision, detectron2, got 'middle'$"):
        fit.rule("middle")


def test_smallest_rectangle_rounds_up_by_the_step_of_the_rule():
    assert fit.smallest_rectangle((65, 64)) == (128, 64)
    assert fit.smallest_rectangle((65, 64), fit="detectron2") == (96, 64)
    assert fit.smallest_rectangle((1, 33), fit="torchvision") == (32, 64)


@pytest.mark.parametrize("rule", fit.FITS)
@pytest.mark.parametrize(("min_dim", "max_dim"), [(800, 1333), (64, 64), (48, 128)])
def test_fitted_is_the_size_of_an_exported_graph(rule, min_dim, max_dim):
    spec = [tf.TensorSpec([2], tf.float64)]
    chosen = fit.rule(rule)
    sides = tf.function(
        lambda sides: graph._new_sides(sides, min_dim=min_dim, max_dim=max_dim, fit_rule=chosen), input_signature=spec
    )
    drawn = np.exp(np.random.default_rng(0).uniform(0, np.log(3000), (150, 2))).astype(int).tolist()
    for height, width in [*CASES, *drawn, (1, 3000), (5, 2 * max_dim), (7, 2 * max_dim), (max_dim, max_dim)]:
        new = fit.fitted(height, width, min_dim=min_dim, max_dim=max_dim, fit=rule)[1]
        assert tuple(sides(np.float64([height, width])).numpy()) == new, (height, width)
