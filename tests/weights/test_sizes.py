import numpy as np
import pytest

from mrcnn.weights import sizes

LAYERS = {
    "rpn_model": {"rpn_conv_shared/kernel:0": np.zeros((3, 3, 2, 5))},
    "mrcnn_class_conv1": {"mrcnn_class_conv1/kernel:0": np.zeros((7, 7, 2, 6))},
    "fpn_c5p5": {"fpn_c5p5/bias:0": np.zeros(4)},
}


def test_side_reads_the_axis_of_a_kernel_in_its_group():
    assert sizes.side(LAYERS, "rpn_conv_shared") == 5
    assert sizes.side(LAYERS, "mrcnn_class_conv1", axis=0) == 7
    assert sizes.side(LAYERS, "fpn_c5p5") is None  # it has no kernel
    assert sizes.side({}, "fpn_c5p5") is None
    assert sizes.side({"conv1": {"conv1/kernel:0": np.float32(1)}}, "conv1") is None  # a scalar has no axis


def test_widths_leaves_out_what_is_unknown():
    assert sizes.widths(LAYERS) == {"rpn_channels": 5, "box_fc_channels": 6, "box_pool_size": 7}
    assert sizes.widths({}) == {}


@pytest.mark.parametrize(
    ("weight", "stored", "wanted", "expected"),
    [
        ("rpn_conv_shared/kernel:0", (3, 3, 8, 512), (3, 3, 8, 256), ("rpn_channels", 512)),
        ("rpn_conv_shared/kernel:0", (3, 3, 4, 256), (3, 3, 8, 256), None),  # the pyramid's width is another layer's
        ("mrcnn_class_conv1/kernel:0", (7, 7, 8, 6), (5, 5, 8, 6), ("box_pool_size", 7)),
        ("rpn_conv_shared/bias:0", (512,), (256,), None),
        ("rpn_conv_shared/kernel:0", (), (3, 3, 8, 256), None),
    ],
)
def test_setting_of_names_what_a_kernel_needs(weight, stored, wanted, expected):
    assert sizes.setting_of(weight, stored, wanted) == expected
