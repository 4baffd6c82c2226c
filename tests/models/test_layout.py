"""Facts of a Matterport model with 81 classes: parameters, tensors and layers (measured on a running copy)."""

from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn.models import layout
from mrcnn.models.families.matterport import Matterport

FACTS = {"resnet50": (45_088_120, 384, 131), "resnet101": (64_158_584, 690, 233)}


@pytest.fixture(scope="module", params=FACTS)
def model(request):
    return Matterport(num_classes=81, settings={"backbone": request.param, "compatibility": "matterport"})


def test_weight_layout_counts(model):
    layout = model.weight_layout()
    variables = [variable for _, entries in layout for _, variable in entries]
    parameters = sum(int(np.prod(variable.shape)) for variable in variables)
    assert (parameters, len(variables), len(layout)) == FACTS[model.settings.backbone]


def test_weight_layout_every_weight_of_the_model_is_listed_once(model):
    listed = [id(variable) for _, entries in model.weight_layout() for _, variable in entries]
    assert sorted(listed) == sorted({id(variable) for variable in model.weights if "seed" not in variable.name})


def test_weight_layout_names_and_order(model):
    layout = dict(model.weight_layout())
    assert list(layout)[:4] == ["conv1", "bn_conv1", "res2a_branch2a", "bn2a_branch2a"]
    assert [name for name, _ in layout["rpn_model"]][:2] == ["rpn_conv_shared/kernel:0", "rpn_conv_shared/bias:0"]
    assert [name for name, _ in layout["bn_conv1"]] == [
        f"bn_conv1/{part}:0" for part in ("gamma", "beta", "moving_mean", "moving_variance")
    ]
    shapes = {name: tuple(variable.shape) for entries in layout.values() for name, variable in entries}
    assert shapes["mrcnn_class_conv1/kernel:0"] == (7, 7, 256, 1024)
    assert shapes["mrcnn_mask_deconv/kernel:0"] == (2, 2, 256, 256)
    assert shapes["rpn_bbox_pred/kernel:0"] == (1, 1, 512, 12)
    assert shapes["mrcnn_bbox_fc/kernel:0"] == (1024, 324)


def test_weight_layout_leaves_out_absent_layers_and_puts_others_last(monkeypatch):
    present = ("mrcnn_box_conv1", "rpn_conv_shared2", "rpn_bbox_pred", "rpn_conv_shared", "bn_conv1", "conv1")
    layers = {
        name: SimpleNamespace(name=name, weights=[SimpleNamespace(name="kernel"), SimpleNamespace(name="bias")])
        for name in present
    }
    monkeypatch.setattr(layout, "named_layers", lambda model: layers)
    found = layout.weight_layout(None, backbone="resnet50")
    # of the RPN's three layers two are there; the second shared convolution is no layer of Matterport's
    assert [name for name, _ in found] == ["conv1", "bn_conv1", "rpn_model", "mrcnn_box_conv1", "rpn_conv_shared2"]
    assert [name for name, _ in dict(found)["rpn_model"]] == [
        "rpn_conv_shared/kernel:0",
        "rpn_conv_shared/bias:0",
        "rpn_bbox_pred/kernel:0",
        "rpn_bbox_pred/bias:0",
    ]
    assert [name for name, _ in dict(found)["rpn_conv_shared2"]] == [
        "rpn_conv_shared2/kernel:0",
        "rpn_conv_shared2/bias:0",
    ]
    monkeypatch.setattr(layout, "named_layers", lambda model: {})
    assert layout.weight_layout(None, backbone="resnet50") == []
