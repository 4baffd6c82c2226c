import pytest

from mrcnn.weights import names


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
