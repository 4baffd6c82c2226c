import numpy as np
import pytest

from mrcnn.events import UserError
from mrcnn.train import start
from mrcnn.train.folder import StartModel
from mrcnn.weights import hdf5

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
    arguments = {"start_model": None, "imagenet_weights": None, "backbone": "resnet50"} | fields
    start.load_start_weights(model.weight_layout(), kind, log=log, **arguments)
    return [float(layer.bias.numpy().mean()) for layer in (model.conv1, model.logits)]


def test_each_kind_loads_its_layers_and_reports(model, stored, log):
    assert load(model, "random", log) == [0, 0]
    assert log.messages == ["weights: random"]
    assert load(model, "transfer_learning", log, start_model=stored) == [1, 0]
    assert any("1 layer loaded" in line for line in log.messages)
    assert any("excluded on request: 1 layer: mrcnn_class_logits" in line for line in log.messages)
    assert load(model, "continue_training", log, start_model=stored) == [1, 1]


def test_a_file_without_the_backbone_is_refused(model, tmp_path, log):
    hdf5.write_file(tmp_path / "heads.h5", model.weight_layout()[1:])
    with pytest.raises(UserError, match=r"lacks 1 layer of the backbone \(conv1\)"):
        load(model, "continue_training", log, start_model=StartModel(tmp_path / "heads.h5"))


def test_what_is_neither_loaded_nor_trained_is_listed(model):
    layout = model.weight_layout()
    assert start.random_and_frozen(layout, ()) == []
    model.conv1.trainable = False
    assert start.random_and_frozen(layout, ()) == ["conv1"]
    assert start.random_and_frozen(layout, {"conv1"}) == []


def test_imagenet_goes_to_its_own_loader(model, monkeypatch, log):
    asked = []

    def loader(layout, source, depth):
        asked.append((source, depth))
        return start.apply.LoadReport(source="x", loaded=("conv1",))

    monkeypatch.setattr(start.keras_resnet, "load_imagenet", loader)
    load(model, "imagenet", log, imagenet_weights="w.h5", backbone="resnet101")
    assert asked == [("w.h5", "resnet101")]
    assert log.messages == ["weights from x: 1 layer loaded, 0 parameters"]


def test_start_weights_must_be_given(model, log):
    with pytest.raises(UserError, match="transfer_learning needs start weights"):
        load(model, "transfer_learning", log)


def test_a_path_of_imagenet_weights_must_exist(tmp_path):
    start.check_imagenet_source(None)
    start.check_imagenet_source(str(tmp_path))
    with pytest.raises(UserError, match=r"`imagenet_weights` .*no.h5 does not exist"):
        start.check_imagenet_source(str(tmp_path / "no.h5"))
