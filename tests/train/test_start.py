import numpy as np
import pytest

from mrcnn.blocks.convolution import Convolution
from mrcnn.blocks.norm import BatchNorm, ConvNorm
from mrcnn.config.families.torchvision import Detectron2Config, TorchvisionConfig
from mrcnn.errors import UserError
from mrcnn.model_folder.start_model import StartModel
from mrcnn.models import build
from mrcnn.structures import ResNetRules
from mrcnn.train import start
from mrcnn.weights import foreign, hdf5, state_dict_write
from mrcnn.weights.maps.entries import Form
from tests import old_weights

from . import fake


@pytest.fixture
def model():
    made = fake.FakeMaskRCNN()
    for variable in made.weights:
        variable.assign(np.zeros(variable.shape))
    return made


@pytest.fixture
def stored(tmp_path):
    other = fake.FakeMaskRCNN()
    for variable in other.weights:
        variable.assign(np.ones(variable.shape))
    hdf5.write_file(tmp_path / "model.h5", other.weight_layout())
    return StartModel(tmp_path / "model.h5")


def load(model, kind, log, **fields):
    arguments = {"start_model": None, "imagenet_weights": None, "resnet": ResNetRules("resnet50")} | fields
    arguments["class_layers"] = model.class_layers
    start.load_start_weights(model.weight_layout(), kind, log=log, **arguments)
    return [float(layer.bias.numpy().mean()) for layer in (model.conv1, model.logits)]


def test_load_start_weights_each_kind_loads_its_layers_and_reports(model, stored, log):
    assert load(model, "random", log) == [0, 0]
    assert log.messages == ["weights: random"]
    assert load(model, "transfer_learning", log, start_model=stored) == [1, 0]
    assert any("1 layer loaded" in line for line in log.messages)
    assert any("excluded on request: 1 layer: mrcnn_class_logits" in line for line in log.messages)
    assert load(model, "continue_training", log, start_model=stored) == [1, 1]


def test_load_start_weights_file_without_the_backbone_is_refused(model, tmp_path, log):
    hdf5.write_file(tmp_path / "heads.h5", model.weight_layout()[1:])
    with pytest.raises(UserError, match=r"lacks 1 layer of the backbone \(conv1\)"):
        load(model, "continue_training", log, start_model=StartModel(tmp_path / "heads.h5"))


def test_random_and_frozen_what_is_neither_loaded_nor_trained_is_listed(model):
    layout = model.weight_layout()
    assert start.random_and_frozen(layout, ()) == []
    model.conv1.trainable = False
    assert start.random_and_frozen(layout, ()) == ["conv1"]
    assert start.random_and_frozen(layout, {"conv1"}) == []


def test_random_and_frozen_leaves_fixed_batch_norms_out():
    conv = ConvNorm(Convolution(2, 1, use_bias=False), BatchNorm("fixed"))
    conv.build((None, 1, 1, 1))
    layout = [
        (layer.name, [(f"{layer.name}/{weight.name}:0", weight) for weight in layer.weights])
        for layer in (conv.conv, conv.norm)
    ]
    conv.conv.trainable = False
    assert start.random_and_frozen(layout, ()) == [conv.conv.name]


def test_load_start_weights_imagenet_goes_to_its_own_loader(model, tmp_path, monkeypatch, log):
    asked = []

    def loader(layout, source, rules):
        asked.append((source, rules))
        return start.apply.LoadReport(source="x", loaded=("conv1",))

    monkeypatch.setattr(start.imagenet, "load_imagenet", loader)
    (tmp_path / "w.h5").touch()
    rules = ResNetRules("resnet101")
    load(model, "imagenet", log, imagenet_weights=str(tmp_path / "w.h5"), resnet=rules)
    assert asked == [(str(tmp_path / "w.h5"), rules)]
    assert log.messages == ["weights from x: 1 layer loaded, 0 parameters"]


def test_load_start_weights_start_weights_must_be_given(model, log):
    with pytest.raises(UserError, match="transfer_learning needs start weights"):
        load(model, "transfer_learning", log)


def test_find_imagenet_source_path_of_imagenet_weights_must_exist(tmp_path):
    assert start.find_imagenet_source(str(tmp_path), resnet=ResNetRules("resnet50")) == str(tmp_path)
    with pytest.raises(UserError, match=r"`imagenet_weights` .*no.h5 does not exist"):
        start.find_imagenet_source(str(tmp_path / "no.h5"), resnet=ResNetRules("resnet50"))


def test_find_imagenet_source_imagenet_weights_are_fetched_before_data_is_read(monkeypatch):
    monkeypatch.setattr(start.download, "imagenet_file", lambda depth: f"cached {depth}")
    assert start.find_imagenet_source(None, resnet=ResNetRules("resnet101")) == "cached 101"


@pytest.mark.parametrize(
    ("config", "url"),
    [
        (TorchvisionConfig(), "https://download.pytorch.org/models/resnet50-0676ba61.pth"),
        (TorchvisionConfig(backbone="resnet101"), "https://download.pytorch.org/models/resnet101-63fe2227.pth"),
        (Detectron2Config(), "https://dl.fbaipublicfiles.com/detectron2/ImageNetPretrained/MSRA/R-50.pkl"),
    ],
)
def test_find_imagenet_source_each_family_fetches_the_file_of_its_code_base(monkeypatch, config, url):
    monkeypatch.setattr(start.download, "published_file", lambda file: file.url)
    assert start.find_imagenet_source(None, resnet=config.resnet) == url


def test_find_imagenet_source_needs_a_resnet():
    with pytest.raises(UserError, match="imagenet needs a model with a ResNet, and this one has none; use random"):
        start.find_imagenet_source(None, resnet=None)


@pytest.fixture
def old_file(tmp_path, log):
    """Writes a whole old model; gives what loads a kind of it into a layout."""

    def write(*arguments, change=lambda groups: groups, **numbers):
        groups = old_weights.values_of(old_weights.make_layout(*arguments, seed=1, **numbers))
        path = old_weights.write_file(tmp_path / "old.h5", change(groups))

        def load_kind(layout, kind, backbone="resnet50"):
            new = ("mrcnn_bbox_fc", "mrcnn_class_logits", "mrcnn_mask")
            given = {"imagenet_weights": None, "resnet": ResNetRules(backbone), "class_layers": new, "log": log}
            start.load_start_weights(layout, kind, start_model=StartModel(path), **given)
            return groups

        return load_kind

    return write


def test_load_start_weights_another_number_of_classes_leaves_only_the_last_layers_new(old_file, log):
    layout, new = old_weights.make_layout(50, 3), ("mrcnn_bbox_fc", "mrcnn_class_logits", "mrcnn_mask")
    before, stored = old_weights.values_of(layout), old_file(50, 5)(layout, "transfer_learning")
    for layer, weights in old_weights.values_of(layout).items():
        expected = before if layer in new else stored
        for name, values in weights.items():
            np.testing.assert_array_equal(values, expected[layer][name], err_msg=name)
    assert f"  excluded on request: 3 layers: {', '.join(new)}" in log.messages
    assert not [line for line in log.messages if "missing" in line or "left over" in line]


def test_load_start_weights_another_number_of_classes_cannot_go_on(old_file):
    with pytest.raises(UserError) as caught:
        old_file(50, 5)(old_weights.make_layout(50, 3), "continue_training")
    message = str(caught.value)
    parts = (
        "layer mrcnn_bbox_fc, weight mrcnn_bbox_fc/kernel:0",
        "old.h5",
        "(1, 20)",
        "(1, 12)",
        "5 classes, the model 3",
    )
    assert all(part in message for part in parts)


@pytest.mark.parametrize("kind", ["transfer_learning", "continue_training"])
def test_load_start_weights_other_anchors_are_named_and_refused(old_file, kind):
    layout = old_weights.make_layout(50, 4, anchors_per_location=5)
    with pytest.raises(
        UserError, match=r"layer rpn_model, .*old\.h5 .* has 3 anchors per location, the model 5; use as "
    ):
        old_file(50, 4)(layout, kind)


@pytest.mark.parametrize(
    ("channels", "note"),
    [(1, "3 input channels averaged to 1"), (4, "3 input channels inflated to 4, each new one starts as the average")],
)
def test_load_start_weights_other_channels_are_adapted_where_the_model_is_new(old_file, log, channels, note):
    layout = old_weights.make_layout(50, 4, channels=channels)
    stored = old_file(50, 4)(layout, "transfer_learning")["conv1"]["conv1/kernel:0"]
    assert f"  conv1/kernel: {note}" in log.messages
    found = old_weights.values_of(layout)["conv1"]["conv1/kernel:0"]
    np.testing.assert_allclose(found.sum(axis=2), stored.sum(axis=2), rtol=1e-5)
    with pytest.raises(UserError, match=r"layer conv1, .* shape \(7, 7, 3, 1\).* set `model\.channels` to 3"):
        old_file(50, 4)(layout, "continue_training")


@pytest.mark.parametrize("kind", ["transfer_learning", "continue_training"])
@pytest.mark.parametrize(("stored", "wanted"), [(50, 101), (101, 50)])
def test_load_start_weights_other_depth_is_refused(old_file, kind, stored, wanted):
    match = (
        rf"old\.h5 holds a ResNet-{stored}, the model has a ResNet-{wanted}: set `model\.backbone` to resnet{stored}"
    )
    with pytest.raises(UserError, match=match):
        old_file(stored, 4)(old_weights.make_layout(wanted, 4), kind, backbone=f"resnet{wanted}")


def diverged(groups):
    groups["fpn_p2"]["fpn_p2/kernel:0"] = groups["fpn_p2"]["fpn_p2/kernel:0"] * np.nan
    return groups


def renamed(groups):
    return {f"my_{layer}": {f"my_{name}": weights[name] for name in weights} for layer, weights in groups.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (diverged, r"layer fpn_p2, weight fpn_p2/kernel:0 of .*old\.h5 holds 9 values that are NaN or infinite"),
        (renamed, r"old\.h5 holds no layer of this model, only my_conv1, my_bn_conv1"),
        (lambda groups: {"fpn_p2": groups["fpn_p2"]}, r"old\.h5 lacks 106 layers of the backbone \(conv1, bn_conv1, "),
    ],
)
def test_load_start_weights_weights_that_are_none_are_refused(old_file, change, message):
    with pytest.raises(UserError, match=message) as caught:
        old_file(50, 4, change=change)(old_weights.make_layout(50, 4), "continue_training")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an HDF5 file: it is empty"),
        (b"PK\x03\x04", "is not an HDF5 file"),
        (None, "is damaged or cut short"),
    ],
)
def test_load_start_weights_files_that_are_none_are_refused(model, stored, tmp_path, log, content, message):
    whole = stored.weights.read_bytes()
    (tmp_path / "bad.h5").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(UserError, match=rf"bad\.h5 {message}"):
        load(model, "transfer_learning", log, start_model=StartModel(tmp_path / "bad.h5"))


def numbers_of(layout):
    return {layer: {name: np.array(variable.numpy()) for name, variable in weights} for layer, weights in layout}


@pytest.mark.parametrize(
    ("record", "code_base", "suffix"),
    [
        pytest.param(TorchvisionConfig, "torchvision", ".safetensors", marks=pytest.mark.slow),
        (Detectron2Config, "detectron2", ".pth"),
    ],
)
def test_load_start_weights_file_of_another_code_base_loads_but_for_the_classes(
    tmp_path, log, record, code_base, suffix
):
    small = {"rpn_channels": 8, "box_fc_channels": 8}
    stored = numbers_of(build.build_model(record(**small), num_classes=4).weight_layout())
    write = state_dict_write.write_torch if suffix == ".pth" else state_dict_write.write_safetensors
    write(tmp_path / f"m{suffix}", foreign.state_dict_of(stored, code_base=code_base, form=Form("resnet50")))
    model = build.build_model(record(**small), num_classes=3)
    before = numbers_of(model.weight_layout())
    loaded = start.load_start_weights(
        model.weight_layout(),
        "transfer_learning",
        start_model=StartModel(tmp_path / f"m{suffix}"),
        imagenet_weights=None,
        resnet=ResNetRules("resnet50"),
        class_layers=model.class_layers,
        log=log,
    )
    new = {"mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"}
    assert {layer for layer, _ in model.weight_layout()} - loaded == new
    for layer, weights in numbers_of(model.weight_layout()).items():
        expected = before if layer in new else stored
        for name, values in weights.items():
            np.testing.assert_array_equal(values, expected[layer][name], err_msg=name)
    assert not [line for line in log.messages if "missing" in line or "left over" in line]
