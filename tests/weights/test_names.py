import math

import pytest

from mrcnn.weights import names


@pytest.mark.parametrize(
    ("depth", "num_classes", "table"), [(101, 81, "matterport_r101_k81.json"), (50, 5, "matterport_r50_k5.json")]
)
def test_expected_table_is_matterports(reference_table, depth, num_classes, table):
    assert names.expected_table(depth, num_classes) == reference_table(table)


@pytest.mark.parametrize(("depth", "parameters", "tensors"), [(101, 64_158_584, 690), (50, 45_088_120, 384)])
def test_totals_with_81_classes(depth, parameters, tensors):
    shapes = [shape for _, weights in names.expected_table(depth, 81) for _, shape in weights]
    assert len(shapes) == tensors
    assert sum(math.prod(shape) for shape in shapes) == parameters


def test_expected_table_follows_the_architectures_numbers():
    table = names.expected_table(
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


def test_layer_names_count_and_letters():
    assert len(names.layer_names(101)) == 233
    assert len(names.layer_names(50)) == 131
    stage4 = [block for stage, _, block in names.blocks(101) if stage == 4]
    assert (stage4[0], stage4[-1], len(stage4)) == ("4a", "4w", 23)


@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        ("conv1", True),
        ("bn_conv1", True),
        ("res4w_branch2a", True),
        ("bn2a_branch1", True),
        ("conv1/bias", True),
        ("fpn_c5p5", False),
        ("rpn_model", False),
        ("mrcnn_class_conv1", False),
        ("conv1_conv", False),
        ("res2a_branch2d", False),
        ("", False),
    ],
)
def test_is_backbone(name, backbone):
    assert names.is_backbone(name) is backbone


def test_every_listed_layer_is_known_and_the_rpn_has_one_group():
    listed = [layer for layer in names.layer_names(101) if layer != "rpn_model"]
    assert all(names.is_known(layer) for layer in (*listed, *names.RPN_LAYERS))
    assert not names.is_known("rpn_model")
    assert names.group_of("rpn_class_raw") == "rpn_model"
    assert names.group_of("mrcnn_mask") == "mrcnn_mask"


def test_is_deep_tells_resnet_101():
    assert names.is_deep("res4g_branch2a")
    assert names.is_deep("bn4w_branch2c/gamma")
    assert not names.is_deep("res4f_branch2a")
    assert not names.is_deep("res5c_branch2a")


@pytest.mark.parametrize(("written", "depth"), [(50, 50), ("resnet50", 50), ("resnet101", 101), (101, 101)])
def test_depth_number(written, depth):
    assert names.depth_number(written) == depth


@pytest.mark.parametrize("written", ["resnet18", "vgg", "", 0, "resnet"])
def test_depth_number_refuses_others(written):
    with pytest.raises(ValueError, match="must be resnet50 or resnet101"):
        names.depth_number(written)
