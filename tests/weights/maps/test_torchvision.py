"""Names and shapes of torchvision's tensors, as in `tests/fixtures/maskrcnn_*.json` (torchvision 0.29.1)."""

import numpy as np
import pytest

from mrcnn.config.family import check_model
from mrcnn.models.build import build_model
from mrcnn.weights import apply
from mrcnn.weights.maps import torchvision
from mrcnn.weights.maps.entries import Form, to_layers, to_tensors
from tests.fidelity import torch_recipe

FIRST, SECOND = torch_recipe.MODELS
# parameters without statistics and counters, counted by PyTorch on a model with trained batch norm
PARAMETERS = {FIRST: 44_454_513, SECOND: 46_359_409}
# group of the tensors' names: parameters
GROUPS = {
    FIRST: {
        "backbone.body": 23_508_032,
        "backbone.fpn": 3_344_384,
        "rpn.head": 593_935,
        "roi_heads.box_head": 13_895_680,
        "roi_heads.mask_head": 2_360_320,
    },
    SECOND: {
        "backbone.body": 23_508_032,
        "backbone.fpn": 3_346_432,
        "rpn.head": 1_184_015,
        "roi_heads.box_head": 15_207_424,
        "roi_heads.mask_head": 2_361_344,
    },
}
NO_PARAMETERS = ("running_mean", "running_var", "num_batches_tracked")


def parameters(tensors):
    return sum(int(np.prod(shape)) for name, shape in tensors.items() if not name.endswith(NO_PARAMETERS))


def zeros(tensors):
    """Makes a fake of a state dict of these shapes that needs no memory."""
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in tensors.items()}


@pytest.mark.parametrize("name", torch_recipe.MODELS)
def test_entries_have_as_many_parameters_as_torchvision(name):
    tensors = torch_recipe.read_model(name).tensors
    known = {entry.tensor for entry in torchvision.entries(torchvision.form_of(tensors))}
    mapped = {tensor: shape for tensor, shape in tensors.items() if tensor in known}
    assert set(tensors) - known == {tensor for tensor in tensors if tensor.endswith("num_batches_tracked")}
    assert parameters(mapped) == PARAMETERS[name]
    for group, count in GROUPS[name].items():
        of_group = {tensor: shape for tensor, shape in mapped.items() if tensor.startswith(f"{group}.")}
        assert parameters(of_group) == count


@pytest.mark.parametrize("name", torch_recipe.MODELS)
def test_entries_bring_every_tensor_to_its_layer_and_back(name):
    state = torch_recipe.make_state(torch_recipe.read_model(name))
    known = list(torchvision.entries(torchvision.form_of(state)))
    config = check_model(torchvision.settings_of(state))
    model = build_model(config, num_classes=torchvision.num_classes(state))
    report = apply.assign(model.weight_layout(), to_layers(known, state), source=name)
    assert report.missing == report.left_over == report.notes == ()
    stored = {layer: {weight: value.numpy() for weight, value in weights} for layer, weights in model.weight_layout()}
    back = to_tensors(known, stored)
    assert set(back) == {tensor for tensor in state if not tensor.endswith("num_batches_tracked")}
    assert all(np.array_equal(values, state[tensor]) for tensor, values in back.items())


def test_settings_of_a_detector():
    tensors = torch_recipe.read_model(FIRST).tensors
    expected = {"family": "torchvision", "backbone": "resnet50", "heads": ["masks"], "channels": 3}
    assert torchvision.settings_of(zeros(tensors)) == expected
    assert torchvision.num_classes(zeros(tensors)) == 91
    second = torchvision.settings_of(zeros(torch_recipe.read_model(SECOND).tensors))
    assert second == {**expected, "family": "torchvision_v2"}


def test_settings_of_a_detector_without_masks_and_with_more_channels():
    tensors = zeros(torch_recipe.read_model(FIRST).tensors)
    tensors = {name: values for name, values in tensors.items() if "mask" not in name}
    tensors["backbone.body.conv1.weight"] = np.zeros((64, 4, 7, 7))
    assert torchvision.settings_of(tensors)["heads"] == []
    assert torchvision.settings_of(tensors)["channels"] == 4
    tensors["roi_heads.keypoint_predictor.kps_score_lowres.weight"] = np.zeros((512, 17, 4, 4))
    assert torchvision.settings_of(tensors)["heads"] == ["keypoints"]


def test_depth_of_distinguishes_the_resnets():
    assert torchvision.depth_of(["layer3.22.conv1.weight"], "") == "resnet101"
    assert torchvision.depth_of(["layer3.5.conv1.weight"], "") == "resnet50"
    assert torchvision.depth_of(["backbone.body.layer3.22.conv1.weight"], "backbone.body.") == "resnet101"


@pytest.mark.parametrize(("depth", "convolutions"), [("resnet50", 53), ("resnet101", 104)])
def test_backbone_entries_count(depth, convolutions):
    found = list(torchvision.backbone_entries(depth, prefix=""))
    assert len(found) == 5 * convolutions  # a kernel and the four tensors of a batch norm
    assert len({entry.tensor for entry in found}) == len({entry.path for entry in found}) == len(found)
    by_tensor = {entry.tensor: entry.layer for entry in found}
    assert by_tensor["layer1.0.downsample.1.running_var"] == "bn2a_branch1"
    assert by_tensor["layer3.5.conv3.weight"] == "res4f_branch2c"


def test_form_of_finds_the_second_version():
    assert torchvision.form_of(torch_recipe.read_model(FIRST).tensors) == Form("resnet50")
    assert torchvision.form_of(torch_recipe.read_model(SECOND).tensors) == Form(
        "resnet50", rpn_convolutions=2, box_convolutions=4
    )


@pytest.mark.parametrize(
    ("names", "is_detector", "is_backbone"),
    [
        (["backbone.body.conv1.weight"], True, False),
        (["layer1.0.conv1.weight", "layer1.0.conv3.weight"], False, True),
        (["layer1.0.conv1.weight", "layer1.0.conv2.weight"], False, False),  # ResNet-18 has no third convolution
        ([], False, False),
    ],
)
def test_is_detector_and_is_backbone(names, is_detector, is_backbone):
    assert torchvision.is_detector(names) is is_detector
    assert torchvision.is_backbone(names) is is_backbone


@pytest.mark.parametrize(
    ("older", "present"),
    [
        ("backbone.fpn.inner_blocks.3.weight", "backbone.fpn.inner_blocks.3.0.weight"),
        ("backbone.fpn.layer_blocks.0.bias", "backbone.fpn.layer_blocks.0.0.bias"),
        ("rpn.head.conv.weight", "rpn.head.conv.0.0.weight"),
        ("roi_heads.mask_head.mask_fcn1.bias", "roi_heads.mask_head.0.0.bias"),
        ("roi_heads.mask_head.mask_fcn4.weight", "roi_heads.mask_head.3.0.weight"),
        # present names, and names that only look alike
        ("backbone.fpn.inner_blocks.3.0.weight", "backbone.fpn.inner_blocks.3.0.weight"),
        ("rpn.head.conv.0.0.bias", "rpn.head.conv.0.0.bias"),
        ("roi_heads.mask_predictor.mask_fcn_logits.weight", "roi_heads.mask_predictor.mask_fcn_logits.weight"),
        ("backbone.fpn.inner_blocks.3.running_mean", "backbone.fpn.inner_blocks.3.running_mean"),
    ],
)
def test_renamed_has_the_present_names_of_older_tensors(older, present):
    assert torchvision.renamed({older: 1, "x": 2}) == {present: 1, "x": 2}
