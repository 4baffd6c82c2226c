"""Reading and loading models of torchvision and detectron2; the network is a stub with the layers of a whole file."""

import json

import keras
import numpy as np
import pytest

from mrcnn.config.families.torchvision import Detectron2Config, TorchvisionConfig
from mrcnn.errors import UserError
from mrcnn.model_folder import read
from mrcnn.models import build
from mrcnn.weights import foreign, state_dict_write
from tests.weights import family_examples as examples

WRITE = {".pth": state_dict_write.write_torch, ".safetensors": state_dict_write.write_safetensors}


@pytest.fixture
def network(tmp_path, monkeypatch):
    """Puts a stub in the place of the network, with the layers of `examples.detector()`."""
    path = tmp_path / "whole.pth"
    state_dict_write.write_torch(path, examples.detector())
    layout = [
        (layer, [(name, keras.Variable(np.zeros(values.shape, np.float32))) for name, values in weights.items()])
        for layer, weights in foreign.read(path).layers().items()
    ]
    stub = type("Stub", (), {"weight_layout": lambda self: layout})()
    monkeypatch.setattr(build, "build_model", lambda config, num_classes: stub)
    return stub


def loaded(path, tensors, warn=lambda line: None):
    """Stores a state dict and loads it."""
    state_dict_write.write_torch(path, tensors)
    return read.load_model(read.read_model(path, classes="cat,dog"), warn=warn)


@pytest.mark.parametrize("suffix", WRITE)
@pytest.mark.parametrize(
    ("code_base", "record"), [("torchvision", TorchvisionConfig), ("detectron2", Detectron2Config)]
)
def test_read_file_of_another_code_base(tmp_path, suffix, code_base, record):
    path = tmp_path / f"a{suffix}"
    WRITE[suffix](path, examples.detector(code_base))
    stored = read.read_file(path, classes="cat,dog")
    assert (stored.path, stored.weights, stored.class_names[1:]) == (path, path, ("cat", "dog"))
    assert stored.config == record(**examples.SIZES)
    assert (stored.input_size.min_dim, stored.input_size.max_dim) == (800, 1333)
    assert read.read_model(path, classes="cat,dog", input_size=(320, 640)).input_size.max_dim == 640


def test_load_model_loads_every_weight(tmp_path, network):
    lines = []
    tensors = examples.detector()
    loaded(tmp_path / "a.pth", tensors, lines.append)
    (epsilon,) = lines
    assert "does not contain the epsilon" in epsilon
    weights = {name: variable.numpy() for _, weights in network.weight_layout() for name, variable in weights}
    assert weights["conv1/kernel:0"].max() == tensors["backbone.body.conv1.weight"].max()
    bias = tensors["roi_heads.mask_predictor.mask_fcn_logits.bias"].max()
    assert weights["mrcnn_mask/bias:0"].max() == bias > 0


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("backbone.body.layer4.2.conv3.weight", None, "res5c_branch2c"),
        (
            "rpn.head.cls_logits.bias",
            None,
            "lacks 1 layers of the model, the first is rpn_model/rpn_class_raw/bias",
        ),
        ("backbone.body.bn1.weight", np.full(2, np.nan, np.float32), "holds 2 values that are NaN or infinite"),
        (
            "rpn.head.cls_logits.weight",
            np.zeros((5, 3, 1, 1), np.float32),
            "has shape (1, 1, 3, 5), the model (1, 1, 3, 2)",
        ),
        ("roi_heads.mask_predictor.mask_fcn_logits.weight", np.zeros((2, 3), np.float32), "is no whole model"),
    ],
)
def test_load_model_refuses_a_damaged_file(tmp_path, name, values, message):
    tensors = examples.detector()
    del tensors[name]
    with pytest.raises(UserError) as caught:
        loaded(tmp_path / "a.pth", tensors if values is None else tensors | {name: values})
    assert message in str(caught.value)
    assert "a.pth" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("network")
def test_load_model_warns_of_unknown_tensors(tmp_path):
    lines = []
    loaded(tmp_path / "a.pth", examples.detector() | {"extra.bias": np.zeros(1, np.float32)}, lines.append)
    assert any(
        "holds 1 layers that the model lacks, the first is extra.bias; they have no effect" in line for line in lines
    )


def test_read_file_without_mask_head_has_no_masks(tmp_path):
    path = tmp_path / "a.pth"
    state_dict_write.write_torch(path, examples.detector(without=("mask", "keypoint", "fpn.")))
    assert read.read_file(path, classes="cat,dog").config.heads == ()


def test_read_file_of_a_backbone_is_refused(tmp_path):
    path = tmp_path / "a.pth"
    state_dict_write.write_torch(path, examples.backbone())
    with pytest.raises(UserError, match=r"a\.pth holds the backbone of a model alone, a resnet50 of torchvision"):
        read.read_file(path, classes="cat,dog")


@pytest.mark.parametrize("suffix", WRITE)
def test_read_model_folder_with_the_file_of_another_code_base(tmp_path, network, suffix):
    folder = tmp_path / "model"
    (folder / "model_weights").mkdir(parents=True)
    content = {
        "settings": {"input_size": {"min_dim": 320, "max_dim": 500, "shape": "rectangle"}},
        "classes": [],
        "class_title_to_idx": {"bg": 0, "cat": 1, "dog": 2},
        "model": {"family": "torchvision", "norm_epsilon": 0.0},
    }
    (folder / "config.json").write_text(json.dumps(content))
    weights = folder / "model_weights" / f"model{suffix}"
    WRITE[suffix](weights, examples.detector())
    stored = read.read_model(folder)
    assert (stored.weights, stored.config) == (weights, TorchvisionConfig(norm_epsilon=0.0))
    lines = []
    read.load_model(read.read_model(weights), warn=lines.append)  # the file stands for its folder
    assert lines == []
    assert any(variable.numpy().any() for _, found in network.weight_layout() for _, variable in found)
