import pytest

from mrcnn.config.keypoints import KeypointTemplate
from mrcnn.fields import table
from mrcnn.fields.table import FIELDS, named
from tests.fields import toy


def test_named_refuses_an_unknown_field():
    with pytest.raises(ValueError, match=r"'weight' is not in `mrcnn\.fields\.table\.FIELDS`; add a `Field`"):
        named("weight")


def test_named_finds_a_registered_field(monkeypatch):
    field = toy.Point()
    monkeypatch.setitem(FIELDS, "point", field)
    assert named("point") is field


class Settings:
    """The settings of a model, of which one belongs to a field."""

    keypoints = KeypointTemplate(names=("a", "b"))


def test_named_finds_a_field_of_a_run():
    field = toy.Point()
    assert named("point", {"point": field}) is field


def test_chosen_finds_names_and_keeps_the_fields_of_a_run():
    assert dict(table.chosen(["keypoints"])) == {"keypoints": FIELDS["keypoints"]}
    assert dict(table.chosen(None)) == FIELDS
    assert dict(table.chosen(())) == {}
    fields = {"keypoints": toy.Point()}
    assert table.chosen(fields) is fields
    with pytest.raises(ValueError, match="'weight' is not in"):
        table.chosen(["weight"])


def test_of_model_passes_each_field_the_settings_of_its_name(monkeypatch):
    monkeypatch.setitem(FIELDS, "point", toy.Point())
    fields = table.of_model(["keypoints", "point"], Settings)
    assert fields["keypoints"].shape == (2, 3)
    assert fields["point"] is FIELDS["point"]


def test_of_category_and_of_data_adapt_fields_to_annotations():
    (field,) = table.of_category(["keypoints"], {"keypoints": ["a", "b", "c"]}).values()
    assert field.template.names == ("a", "b", "c")
    facts = {"dog": {"geometry_config": {"nodes": {"n1": {"label": "a"}}}}}
    (field,) = table.of_data({"keypoints": field}, facts).values()
    assert (field.template.names, field.nodes) == (("a", "b", "c"), {"dog": {"n1": "a"}})
