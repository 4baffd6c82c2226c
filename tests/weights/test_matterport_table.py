import math

import pytest

from tests import matterport_table


@pytest.mark.parametrize(
    ("depth", "num_classes", "table"), [(101, 81, "matterport_r101_k81.json"), (50, 5, "matterport_r50_k5.json")]
)
def test_expected_table_is_matterports(reference_table, depth, num_classes, table):
    assert matterport_table.expected_table(depth, num_classes) == reference_table(table)


@pytest.mark.parametrize(("depth", "parameters", "tensors"), [(101, 64_158_584, 690), (50, 45_088_120, 384)])
def test_expected_table_totals_with_81_classes(depth, parameters, tensors):
    shapes = [shape for _, weights in matterport_table.expected_table(depth, 81) for _, shape in weights]
    assert len(shapes) == tensors
    assert sum(math.prod(shape) for shape in shapes) == parameters


def test_expected_table_follows_the_architectures_numbers():
    table = matterport_table.expected_table(
        50,
        3,
        channels=4,
        anchors_per_location=5,
        fpn_channels=8,
        rpn_channels=16,
        box_fc_channels=32,
        box_pool_size=6,
    )
    shapes = {weight: shape for _, weights in table for weight, shape in weights}
    assert shapes["conv1/kernel:0"] == (7, 7, 4, 64)
    assert shapes["fpn_c5p5/kernel:0"] == (1, 1, 2048, 8)
    assert shapes["rpn_conv_shared/kernel:0"] == (3, 3, 8, 16)
    assert shapes["rpn_class_raw/kernel:0"] == (1, 1, 16, 10)  # 5 anchors x 2
    assert shapes["rpn_bbox_pred/bias:0"] == (20,)  # 5 anchors x 4
    assert shapes["mrcnn_class_conv1/kernel:0"] == (6, 6, 8, 32)
    assert shapes["mrcnn_class_bn2/gamma:0"] == (32,)
    assert shapes["mrcnn_bbox_fc/kernel:0"] == (32, 12)  # 3 classes x 4
    assert shapes["mrcnn_mask/kernel:0"] == (1, 1, 256, 3)
