"""How ImageNet weights of one code base become those of another: the first kernel, biases, means and epsilon."""

import numpy as np
import pytest

from mrcnn.structures import ResNetRules
from mrcnn.weights import imagenet, names

ONE = ResNetRules("resnet50")
BGR = ONE._replace(image_order="bgr", epsilon=1e-5, code_base="detectron2")
DIVIDED = ONE._replace(image_std=(10.0, 20.0, 40.0), epsilon=1e-5, stride_in="3x3", code_base="torchvision")


@pytest.mark.parametrize(
    ("source", "rules", "expected"),
    [
        (BGR, ONE, [3, 2, 1]),  # blue, green, red become red, green, blue
        (DIVIDED, ONE, [1 / 10, 2 / 20, 3 / 40]),  # the values are no longer divided
        (ONE, DIVIDED, [10, 40, 120]),  # 1 * 10, 2 * 20, 3 * 40
        (BGR, DIVIDED, [3 * 10, 2 * 20, 1 * 40]),  # red, the source's last, is divided by 10
        (DIVIDED, DIVIDED._replace(image_order="bgr"), [3 / 40 * 10, 2 / 20 * 20, 1 / 10 * 40]),
        (DIVIDED, DIVIDED, [1, 2, 3]),
        # one channel: the sum of what acts on the values, times its divisor: (0.1 + 0.1 + 0.075) * 2
        (DIVIDED, ONE._replace(image_std=(2.0,)), [0.55]),
    ],
)
def test_first_kernel_worked(source, rules, expected):
    found = imagenet.first_kernel(np.float32([1, 2, 3]).reshape(1, 1, 3, 1), source, rules)
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-6)
    assert found.dtype == np.float32


def test_first_kernel_computes_the_same_from_the_same_pixels():
    kernel, pixels = np.random.default_rng(0).normal(size=(2, 7, 7, 3, 4))
    pixels = pixels[..., 0] * 50  # minus the mean, red first
    there = np.tensordot(pixels[:, :, ::-1], kernel, 3)
    here = np.tensordot(pixels / DIVIDED.image_std, imagenet.first_kernel(kernel, BGR, DIVIDED), 3)
    np.testing.assert_allclose(here, there, rtol=1e-5)


def unit(*, bias):
    """Makes the weights of a convolution of one channel and its batch norm."""
    values = {"gamma": 2.0, "beta": 1.0, "moving_mean": 3.0, "moving_variance": 4.0}
    conv = {"res2a_branch2a/kernel:0": np.ones((1, 1, 1, 1), np.float32)}
    if bias is not None:
        conv["res2a_branch2a/bias:0"] = np.float32([bias])
    norm = {f"bn2a_branch2a/{kind}:0": np.float32([value]) for kind, value in values.items()}
    return {"res2a_branch2a": conv, "bn2a_branch2a": norm}


def test_convert_folds_a_bias_into_the_mean():
    kinds = {"res2a_branch2a": {"kernel"}, "bn2a_branch2a": set(names.NORM_WEIGHTS)}
    given = unit(bias=0.5)
    found, notes = imagenet.convert(imagenet.Source(given, ONE), ONE, kinds)
    assert list(found["res2a_branch2a"]) == ["res2a_branch2a/kernel:0"]
    assert found["bn2a_branch2a"]["bn2a_branch2a/moving_mean:0"] == [2.5]  # (x + 0.5 - 3) = (x - 2.5)
    assert given["bn2a_branch2a"]["bn2a_branch2a/moving_mean:0"] == [3]  # the source is not changed
    assert notes == ["1 biases folded into the means of the batch norms"]


def test_convert_starts_a_bias_at_zero_where_the_source_has_none():
    kinds = {"res2a_branch2a": {"kernel", "bias"}, "bn2a_branch2a": set(names.NORM_WEIGHTS)}
    found, notes = imagenet.convert(imagenet.Source(unit(bias=None), ONE), ONE, kinds)
    np.testing.assert_array_equal(found["res2a_branch2a"]["res2a_branch2a/bias:0"], [0])
    assert notes == ["1 biases start at 0"]
    kept, none = imagenet.convert(imagenet.Source(unit(bias=0.5), ONE), ONE, kinds)
    assert kept["res2a_branch2a"]["res2a_branch2a/bias:0"] == [0.5]
    assert none == []


def test_convert_says_what_differs():
    found, notes = imagenet.convert(imagenet.Source(unit(bias=None), BGR, ("bn3",)), DIVIDED._replace(epsilon=0.0), {})
    np.testing.assert_allclose(found["bn2a_branch2a"]["bn2a_branch2a/moving_variance:0"], [4.00001])
    assert notes == [
        "conv1 turned from BGR to RGB input, conv1 scaled to input that is divided by 10, 20, 40, batch norm's epsilon "
        "folded into the variance",
        "its strides are in the 1x1 convolutions, the model's in the 3x3 ones: the features differ until they are "
        "trained",
        "not taken, as their convolutions are missing: bn3",
    ]
    assert imagenet.convert(imagenet.Source({}, ONE), ONE, {}) == ({}, [])
