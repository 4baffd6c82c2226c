import pytest

from mrcnn.config.families.torchvision import TorchvisionConfig
from mrcnn.errors import UserError
from mrcnn.models import trainable
from mrcnn.models.build import build_model
from mrcnn.models.families.matterport import Matterport
from mrcnn.models.layout import named_layers


@pytest.fixture(scope="module")
def model():
    return Matterport(num_classes=3, settings={"backbone": "resnet50"})


HEADS = 8 + 3 + 16  # FPN, RPN and the two heads' layers
# a stage of n blocks has 3 n + 1 convolutions and as many batch norms: 20, 38, 26, 20 layers for stages 2..5


@pytest.mark.parametrize(
    ("selection", "layers"),
    [
        ("heads", HEADS),
        ("5+", HEADS + 20),
        ("4+", HEADS + 20 + 38),
        ("3+", HEADS + 20 + 38 + 26),
        ("all", HEADS + 20 + 38 + 26 + 20 + 2),
    ],
)
def test_select_trainable_selection(model, selection, layers):
    chosen = trainable.select_trainable(model, selection)
    assert len(chosen) == layers
    tensors = sum(len(named_layers(model)[name].trainable_variables) for name in chosen)
    assert len(model.trainable_variables) == tensors == 2 * layers


def test_select_trainable_stem_trains_only_with_all(model):
    assert "conv1" not in trainable.select_trainable(model, "3+")
    assert "conv1" in trainable.select_trainable(model, "all")


def test_select_trainable_accepts_only_the_patterns_of_the_family(model, monkeypatch):
    monkeypatch.setattr(Matterport, "layer_patterns", {"stem": "conv1|bn_.*", "all": ".*"})
    assert sorted(trainable.select_trainable(model, "stem")) == ["bn_conv1", "conv1"]
    with pytest.raises(UserError, match=r"^`train_layers` must be one of stem, all, got 'heads'$"):
        trainable.select_trainable(model, "heads")


def test_select_trainable_unknown_selection(model):
    with pytest.raises(ValueError, match=r"`train_layers` must be one of heads, 5\+, 4\+, 3\+, all, got '6\+'"):
        trainable.select_trainable(model, "6+")


def test_select_trainable_leaves_out_batch_norms_in_which_nothing_trains():
    model = build_model(TorchvisionConfig(), num_classes=3)
    chosen = trainable.select_trainable(model, "all")
    assert "conv1" in chosen
    assert not [name for name in chosen if name.startswith("bn")]
    assert not [variable.path for variable in model.trainable_variables if "/bn" in variable.path]
    # 53 convolutions of the ResNet without bias; FPN 8, RPN 3, box head 4, mask head 6 with one
    assert len(model.trainable_variables) == 53 + 2 * (8 + 3 + 4 + 6)
