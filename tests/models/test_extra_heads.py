import keras
import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.families.torchvision import Detectron2Config, TorchvisionConfig
from mrcnn.errors import UserError
from mrcnn.heads.head import Head
from mrcnn.models import extra_heads
from mrcnn.models.build import build_model
from mrcnn.models.extra_heads import HEADS, HeadType
from mrcnn.models.families.matterport import Matterport
from tests.fields import toy
from tests.heads.parts import SETTINGS

OWN = ("rpn", "box", "mask")


class Marks(Head):
    """A head of one weight, whose field is in no table."""

    needs = ("mark", "side")
    gives = ("mark",)

    def build(self, input_shape):
        self.dense = keras.layers.Dense(1, name="mrcnn_mark")
        self.dense.build((None, 1))


class Plain(Marks):
    """The same without a field in its detections."""

    needs = ("side",)
    gives = ()


def kind(head, **attributes):
    """Makes a row of `HEADS`; the class of its head has these attributes."""
    head = type(head.__name__, (head,), attributes)
    return HeadType(head, lambda settings, **_: head(name="marks"))


def build(*names):
    return extra_heads.build(names, None, own=OWN, num_classes=3, feature_dtype="float32")


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(HEADS, "mark", kind(Marks))
    monkeypatch.setitem(HEADS, "other", kind(Plain))


def test_find_refuses_an_unknown_head_and_lists_the_known(registered):
    with pytest.raises(UserError, match=r"'marks' is none of the known heads \(keypoints, semantic, mark, other\)$"):
        extra_heads.find(["marks"])
    assert list(extra_heads.find(["other", "mark"])) == ["other", "mark"]


def test_needs_lists_each_field_once(registered):
    assert extra_heads.needs(MatterportConfig(extra_heads=("mark", "other"))) == ("mark", "side")
    assert extra_heads.needs(MatterportConfig()) == ()


def test_needs_lists_those_of_the_mask_head_too(registered):
    config = MatterportConfig(extra_heads=("mark",), mask_supervision="points")
    assert extra_heads.needs(config) == ("mask_points", "mark", "side")


@pytest.mark.parametrize("family", [MatterportConfig, TorchvisionConfig, Detectron2Config])
@pytest.mark.parametrize("supervision", ["masks", "points"])
def test_needs_are_those_of_the_heads_that_are_built(family, supervision):
    config = family(mask_supervision=supervision)
    model = build_model(config, num_classes=2)
    assert extra_heads.needs(config) == tuple(name for head in model.heads for name in head.needs)


def test_gives_lists_the_fields_of_detections(registered):
    assert extra_heads.gives(["other", "mark"]) == ("mark",)
    assert extra_heads.gives([]) == ()


def test_build_refuses_a_head_whose_field_is_not_in_the_table(registered):
    with pytest.raises(ValueError, match="the field 'mark' is not in"):
        Matterport(num_classes=3, settings={**SETTINGS, "extra_heads": ["mark"]})


def test_build_refuses_a_head_of_another_class_than_the_table_says(monkeypatch):
    monkeypatch.setitem(HEADS, "mark", HeadType(Marks, lambda settings, **_: Plain()))
    with pytest.raises(ValueError, match="the head 'mark' must be a Marks, as `HEADS` says, but `build` made a Plain"):
        build("mark")


def test_check_loss_weights_refuses_what_is_no_loss_and_lists_those(monkeypatch):
    monkeypatch.setitem(HEADS, "mark", kind(Plain, loss_names=("mrcnn_mark_loss",)))
    extra_heads.check_loss_weights(MatterportConfig(extra_heads=("mark",), loss_weights={"mrcnn_mark_loss": 2}))
    extra_heads.check_loss_weights(MatterportConfig(loss_weights={"rpn_bbox_loss": 2}))
    with pytest.raises(
        UserError,
        match=r"^`model\.loss_weights`: 'mark_loss' is no loss of this model; those are rpn_class_loss, rpn_bbox_loss, "
        "mrcnn_class_loss, mrcnn_bbox_loss, mrcnn_mask_loss, mrcnn_mark_loss$",
    ):
        extra_heads.check_loss_weights(MatterportConfig(extra_heads=("mark",), loss_weights={"mark_loss": 2}))


def test_weight_layout_lists_the_layers_of_other_heads_last(registered, monkeypatch):
    monkeypatch.setitem(HEADS, "mark", kind(Plain))
    plain = Matterport(num_classes=3, settings=SETTINGS).weight_layout()
    model = Matterport(num_classes=3, settings={**SETTINGS, "extra_heads": ["mark"]})
    names = [name for name, _ in model.weight_layout()]
    assert names == [name for name, _ in plain] + ["mrcnn_mark"]
    assert model.head("mark").dense.built


@pytest.mark.parametrize("name", ["mask", "box", "scores", "class_names"])
def test_build_refuses_the_name_of_a_head_or_an_output_of_the_model(monkeypatch, name):
    monkeypatch.setitem(HEADS, name, kind(Plain))
    with pytest.raises(ValueError, match=f"the head '{name}' uses the name '{name}', which the model has already"):
        build(name)


@pytest.mark.parametrize("loss", ["l2_loss", *MatterportConfig.LOSSES])
def test_build_refuses_the_name_of_a_loss_of_the_model(monkeypatch, loss):
    monkeypatch.setitem(HEADS, "mark", kind(Plain, loss_names=(loss,)))
    with pytest.raises(ValueError, match=f"the head 'mark' uses the name '{loss}', which the model has already"):
        Matterport(num_classes=3, settings={**SETTINGS, "extra_heads": ["mark"]})


def test_build_refuses_two_heads_with_one_field(monkeypatch):
    toy.register(monkeypatch)
    for name in ("first", "second"):
        monkeypatch.setitem(HEADS, name, kind(Plain, gives=("point",)))
    with pytest.raises(ValueError, match="the head 'second' uses the name 'point'"):
        build("first", "second")


def test_fields_have_the_settings_of_the_model():
    config = MatterportConfig(extra_heads=("keypoints",), keypoints={"names": ["a", "b"]})
    assert {name: field.shape for name, field in extra_heads.fields(config).items()} == {"keypoints": (2, 3)}
    assert extra_heads.fields(MatterportConfig()) == {}


def test_build_makes_the_keypoint_head_of_the_settings():
    template = {"names": ["a", "b"], "class_points": [["b"], []]}
    config = MatterportConfig(**SETTINGS, extra_heads=("keypoints",), keypoints=template, keypoint_channels=(4, 6))
    heads = extra_heads.build(config.extra_heads, config, own=OWN, num_classes=3, feature_dtype="float32")
    head = heads["keypoints"]
    assert (head.num_keypoints, head.channels, head.class_points) == (2, (4, 6), ((1,), ()))
    assert (head.decoding, head.normalizer, head.pixel_shift) == ("detectron2", "visible", 0.0)
    assert head.max_objects == 1  # the whole part of 6 regions * 0.33
    assert head.features.output_size == 14


def test_build_refuses_keypoints_without_points():
    config = MatterportConfig(**SETTINGS, extra_heads=("keypoints",))
    with pytest.raises(UserError, match=r"^`model.keypoints` must name the points of the head 'keypoints', got null"):
        extra_heads.build(config.extra_heads, config, own=OWN, num_classes=3, feature_dtype="float32")


def test_build_passes_the_normalizer_of_keypoints():
    template = {"names": ["a", "b"]}
    for normalizer in ("visible", "static"):
        config = MatterportConfig(keypoints=template, keypoint_normalizer=normalizer)
        head = extra_heads.build(["keypoints"], config, own=(), num_classes=2, feature_dtype="float32")["keypoints"]
        assert head.normalizer == normalizer
