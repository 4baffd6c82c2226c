"""Every kind of map, by one value at a place worked out by hand and by the way back.

A tensor's values are its flat indices, so that `got[place] == index` tells where a value went.
"""

import numpy as np
import pytest

from mrcnn.weights.maps import entries
from mrcnn.weights.maps.entries import KINDS, Entry

SHAPES = {
    "same": (5,),
    "conv": (4, 3, 2, 2),
    "transposed_conv": (4, 3, 2, 2),
    "regions": (5, 256 * 3 * 3),
    "connected": (4, 3),
    "dense": (4, 3),
    "anchor_deltas": (8, 3, 1, 1),
    "deltas": (8,),
    "box_deltas": (8, 3),
    "dense_last": (4, 3),
    "same_last": (4,),
    "box_deltas_of_objects": (8, 3),
    "deltas_of_objects": (8,),
    "conv_of_objects": (2, 3, 1, 1),
    "coarse_masks": (2 * 49, 3),
    "coarse_masks_of_objects": (2 * 49, 3),
    "points": (4, 256 + 2, 1),
    "points_of_objects": (4, 256 + 2, 1),
    "point_masks": (2, 256 + 2, 1),
    "point_masks_of_objects": (2, 256 + 2, 1),
    "same_of_objects": (2,),
}


def numbered(shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize(
    ("kind", "shape", "place", "index"),
    [
        ("same", (5,), (3,), 3),
        # [out 1, in 2, row 0, column 1] of [4, 3, 2, 2] is ((1 * 3 + 2) * 2 + 0) * 2 + 1 = 21
        ("conv", (2, 2, 3, 4), (0, 1, 2, 1), 21),
        # [in 1, out 2, row 0, column 1] likewise; ours is [row, column, out, in]
        ("transposed_conv", (2, 2, 3, 4), (0, 1, 2, 1), 21),
        # output 4, channel 7, row 2, column 1: 4 * 2304 + 7 * 9 + 2 * 3 + 1
        ("regions", (3, 3, 256, 5), (2, 1, 7, 4), 4 * 2304 + 7 * 9 + 2 * 3 + 1),
        ("connected", (1, 1, 3, 4), (0, 0, 2, 1), 1 * 3 + 2),
        ("dense", (3, 4), (2, 1), 1 * 3 + 2),
        # our channel 4 is dy of the second anchor: theirs is dy at 5, of input 2: 5 * 3 + 2
        ("anchor_deltas", (1, 1, 3, 8), (0, 0, 2, 4), 5 * 3 + 2),
        ("deltas", (8,), (7,), 6),  # our dw of the second anchor is their third of four
        ("box_deltas", (3, 8), (2, 1), 0 * 3 + 2),  # our dx of the background is their first
        ("dense_last", (3, 4), (2, 0), 3 * 3 + 2),  # the background, their last of four classes
        ("same_last", (4,), (1,), 0),  # their first class
        # ours has 4 zeros of the background first; dy of the first class at 4 is their second
        ("box_deltas_of_objects", (3, 12), (2, 4), 1 * 3 + 2),
        ("deltas_of_objects", (12,), (11,), 6),
        ("conv_of_objects", (1, 1, 3, 3), (0, 0, 2, 1), 0 * 3 + 2),
        # cell 5 of the second of two masks; theirs has all 49 cells of the first mask before it
        ("coarse_masks", (1, 1, 3, 49 * 2), (0, 0, 2, 5 * 2 + 1), (49 + 5) * 3 + 2),
        ("coarse_masks_of_objects", (1, 1, 3, 49 * 3), (0, 0, 2, 5 * 3 + 2), (49 + 5) * 3 + 2),
        # output 3 of the last of 258 inputs; of objects, the background's logit is an input before their two
        ("points", (1, 1, 258, 4), (0, 0, 257, 3), 3 * 258 + 257),
        ("points_of_objects", (1, 1, 259, 4), (0, 0, 258, 3), 3 * 258 + 257),
        ("point_masks", (1, 1, 258, 2), (0, 0, 257, 1), 258 + 257),
        ("point_masks_of_objects", (1, 1, 259, 3), (0, 0, 258, 2), 258 + 257),
        ("same_of_objects", (3,), (2,), 1),
    ],
)
def test_kinds_place_a_value(kind, shape, place, index):
    got = KINDS[kind].read(numbered(SHAPES[kind]))
    assert got.shape == shape
    assert got[place] == index


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_write_is_the_inverse_of_read(kind):
    values = numbered(SHAPES[kind])
    got = KINDS[kind].write(KINDS[kind].read(values))
    assert got.shape == values.shape
    np.testing.assert_array_equal(got, values)


@pytest.mark.parametrize(
    ("kind", "background"),
    [
        ("box_deltas_of_objects", np.s_[:, :4]),
        ("deltas_of_objects", np.s_[:4]),
        ("conv_of_objects", np.s_[..., :1]),
        ("coarse_masks_of_objects", np.s_[..., ::3]),
        ("points_of_objects", np.s_[:, :, 256]),
        ("point_masks_of_objects", np.s_[..., 0]),
        ("point_masks_of_objects", np.s_[:, :, 256]),
        ("same_of_objects", np.s_[:1]),
    ],
)
def test_kinds_of_objects_have_zeros_for_the_background(kind, background):
    assert not KINDS[kind].read(numbered(SHAPES[kind]) + 1)[background].any()


def test_conv_norm_and_pair_name_a_layers_tensors():
    assert list(entries.conv("a", "b")) == [Entry("a.weight", "b", "kernel", "conv"), Entry("a.bias", "b", "bias")]
    assert list(entries.conv("a", "b", bias=False)) == [Entry("a.weight", "b", "kernel", "conv")]
    assert [(entry.tensor, entry.weight) for entry in entries.norm("a", "b")] == [
        ("a.weight", "gamma"),
        ("a.bias", "beta"),
        ("a.running_mean", "moving_mean"),
        ("a.running_var", "moving_variance"),
    ]
    assert list(entries.pair("a", "b", "dense", bias="deltas")) == [
        Entry("a.weight", "b", "kernel", "dense"),
        Entry("a.bias", "b", "bias", "deltas"),
    ]


def test_entry_path_groups_the_rpn_as_weight_files_do():
    assert Entry("a", "rpn_class_raw", "bias").path == ("rpn_model", "rpn_class_raw/bias:0")
    assert Entry("a", "conv1", "kernel").path == ("conv1", "conv1/kernel:0")


def test_to_layers_and_to_tensors_leave_out_what_is_missing():
    known = [*entries.conv("a", "b"), *entries.norm("c", "d")]
    tensors = {"a.weight": numbered((4, 3, 1, 1)), "other": np.zeros(1)}
    layers = entries.to_layers(known, tensors)
    assert {group: list(weights) for group, weights in layers.items()} == {"b": ["b/kernel:0"]}
    assert layers["b"]["b/kernel:0"].dtype == np.float32
    back = entries.to_tensors(known, layers)
    assert list(back) == ["a.weight"]
    np.testing.assert_array_equal(back["a.weight"], tensors["a.weight"])
    assert entries.to_layers(known, {}) == {}
    assert entries.to_tensors(known, {}) == {}


def test_to_layers_makes_half_precision_float32():
    layers = entries.to_layers(entries.conv("a", "b"), {"a.bias": np.array([0.5], np.float16)})
    assert layers["b"]["b/bias:0"].dtype == np.float32


@pytest.mark.parametrize(("channels", "side"), [(3, 5), (128, 2), (256, 7)])
def test_to_layers_finds_the_channels_of_regions_by_the_layer_before(channels, side):
    known = [*entries.conv("fpn", "fpn_p2"), *entries.pair("fc", "mrcnn_class_conv1", "regions")]
    state = {"fpn.weight": np.zeros((channels, 4, 3, 3)), "fc.weight": numbered((2, channels * side * side))}
    kernel = entries.to_layers(known, state)["mrcnn_class_conv1"]["mrcnn_class_conv1/kernel:0"]
    assert kernel.shape == (side, side, channels, 2)
    # output 1, channel 2, row 1, column 0
    assert kernel[1, 0, 2, 1] == (channels + 2) * side * side + side
    # of a box head with convolutions the last of them is the layer before
    known[2:2] = entries.conv("box", "mrcnn_box_conv1")
    state["box.weight"], state["fpn.weight"] = state["fpn.weight"], np.zeros((2 * channels, 4, 3, 3))
    assert entries.to_layers(known, state)["mrcnn_class_conv1"]["mrcnn_class_conv1/kernel:0"].shape == kernel.shape
