import keras
import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.errors import UserError
from mrcnn.heads.head import Head
from mrcnn.models import extra_heads
from mrcnn.models.extra_heads import HEADS, HeadType
from mrcnn.models.families.matterport import Matterport
from tests.fields import toy
from tests.heads.parts import SETTINGS


class Marks(Head):
    """A head of one weight, whose field is in no table."""

    gives = ("mark",)

    def build(self, input_shape):
        self.dense = keras.layers.Dense(1, name="mrcnn_mark")
        self.dense.build((None, 1))


def build(settings, *, num_classes, feature_dtype):
    return Marks(name="marks")


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(HEADS, "mark", HeadType(build, needs=("mark", "side"), gives=("mark",)))
    monkeypatch.setitem(HEADS, "other", HeadType(build, needs=("side",)))


def test_find_refuses_an_unknown_head_and_lists_the_known(registered):
    with pytest.raises(UserError, match=r"`model\.extra_heads`: 'marks' is none of the known heads \(mark, other\)"):
        extra_heads.find(["marks"])
    assert list(extra_heads.find(["other", "mark"])) == ["other", "mark"]


def test_needs_lists_each_field_once(registered):
    assert extra_heads.needs(["mark", "other"]) == ("mark", "side")
    assert extra_heads.needs([]) == ()


def test_gives_lists_the_fields_of_detections(registered):
    assert extra_heads.gives(["other", "mark"]) == ("mark",)
    assert extra_heads.gives([]) == ()


def test_build_refuses_a_head_whose_field_is_not_in_the_table(registered):
    with pytest.raises(ValueError, match="the field 'mark' is not in"):
        Matterport(num_classes=3, settings={**SETTINGS, "extra_heads": ["mark"]})


def test_build_refuses_a_head_that_adds_other_fields_than_the_table_says(registered):
    with pytest.raises(ValueError, match=r"the head 'other' adds \('mark',\) to a detection, but `HEADS` says \(\)"):
        extra_heads.build(["other"], None, num_classes=3, feature_dtype="float32")


def test_build_refuses_a_head_that_has_other_losses_than_the_table_says(monkeypatch):
    monkeypatch.setattr(Marks, "gives", ())
    monkeypatch.setitem(HEADS, "mark", HeadType(build, losses=("mrcnn_mark_loss",)))
    with pytest.raises(ValueError, match=r"the head 'mark' has losses \(\), but `HEADS` says \('mrcnn_mark_loss',\)"):
        extra_heads.build(["mark"], None, num_classes=3, feature_dtype="float32")


def test_check_loss_weights_refuses_what_is_no_loss_and_lists_those(monkeypatch):
    monkeypatch.setitem(HEADS, "mark", HeadType(build, losses=("mrcnn_mark_loss",)))
    extra_heads.check_loss_weights(MatterportConfig(extra_heads=("mark",), loss_weights={"mrcnn_mark_loss": 2}))
    extra_heads.check_loss_weights(MatterportConfig(loss_weights={"rpn_bbox_loss": 2}))
    with pytest.raises(
        UserError,
        match=r"^`model\.loss_weights`: 'mark_loss' is no loss of this model; those are rpn_class_loss, rpn_bbox_loss, "
        "mrcnn_class_loss, mrcnn_bbox_loss, mrcnn_mask_loss, mrcnn_mark_loss$",
    ):
        extra_heads.check_loss_weights(MatterportConfig(extra_heads=("mark",), loss_weights={"mark_loss": 2}))


def test_weight_layout_lists_the_layers_of_other_heads_last(registered, monkeypatch):
    monkeypatch.setattr(Marks, "gives", ())
    monkeypatch.setitem(HEADS, "mark", HeadType(build))
    plain = Matterport(num_classes=3, settings=SETTINGS).weight_layout()
    model = Matterport(num_classes=3, settings={**SETTINGS, "extra_heads": ["mark"]})
    names = [name for name, _ in model.weight_layout()]
    assert names == [name for name, _ in plain] + ["mrcnn_mark"]
    assert model.head("mark").dense.built


@pytest.mark.parametrize("name", ["mask", "box"])
def test_build_refuses_the_name_of_a_head_of_the_model(monkeypatch, name):
    monkeypatch.setattr(Marks, "gives", ())
    monkeypatch.setitem(HEADS, name, HeadType(build))
    with pytest.raises(ValueError, match=f"the head '{name}' uses the name '{name}', which the model has already"):
        extra_heads.build([name], None, num_classes=3, feature_dtype="float32")


def test_build_refuses_two_heads_with_one_field(monkeypatch):
    toy.register(monkeypatch)
    monkeypatch.setattr(Marks, "gives", ("point",))
    for name in ("first", "second"):
        monkeypatch.setitem(HEADS, name, HeadType(build, gives=("point",)))
    with pytest.raises(ValueError, match="the head 'second' uses the name 'point'"):
        extra_heads.build(["first", "second"], None, num_classes=3, feature_dtype="float32")
