"""The table of families, and what a config and a schema make of it; a toy family is whole in `tests/growth`."""

from typing import Literal

import pytest
from pydantic import Field

from mrcnn.config import family, keys, load
from mrcnn.config.base import PositiveInt
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.model import ModelConfig
from mrcnn.errors import UserError


class Toy(ModelConfig):
    """A toy."""

    family: Literal["toy"] = Field(default="toy", description="its name")
    depth: PositiveInt = Field(default=2, description="how deep it is")


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(family.FAMILIES, "toy", Toy)


@pytest.mark.parametrize("values", [{}, {"family": "matterport"}, {"backbone": "resnet50"}])
def test_record_of_is_matterports_by_default(values):
    assert family.record_of(values) is MatterportConfig


@pytest.mark.usefixtures("toy")
def test_record_of_follows_the_family():
    assert family.record_of({"family": "toy", "depth": 3}) is Toy
    assert family.check_model({"family": "toy", "depth": 3}) == Toy(depth=3)


@pytest.mark.parametrize(("value", "shown"), [("toi", '"toi"'), (3, "3"), (None, "null"), (["a"], '["a"]')])
def test_record_of_names_an_unknown_family(value, shown):
    line = f"`model.family` must be one of matterport, torchvision, torchvision_v2, detectron2, got {shown}"
    with pytest.raises(UserError, match="must be one of") as caught:
        load.load_train_config({"model": {"family": value}})
    assert str(caught.value) == line
    with pytest.raises(UserError) as caught:
        family.check_model({"family": value})
    assert str(caught.value) == line


@pytest.mark.usefixtures("toy")
def test_load_train_config_reads_the_model_by_its_family():
    config = load.load_train_config({"model": {"family": "toy", "channels": 1}})
    assert config.model == Toy(channels=1)
    assert config.given_model == {"family": "toy", "channels": 1}
    assert config.model.model_dump(mode="json")["depth"] == 2
    assert load.load_train_config({"model": {}}).model == MatterportConfig()


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": {"family": "toy", "detph": 3}}, "unknown key `model.detph`; did you mean `depth`"),
        ({"model": {"family": "toy", "depth": 0}}, "`model.depth` must be greater than or equal to 1, got 0"),
        ({"model": {"family": "toy"}, "depth": 1}, "unknown key `depth`; did you mean `model.depth`"),
        ({"backbone": "resnet50"}, "unknown key `backbone`; did you mean `model.backbone`"),
    ],
)
def test_load_train_config_names_the_keys_of_the_family(values, message):
    with pytest.raises(UserError) as caught:
        load.load_train_config(values)
    assert str(caught.value) == message


@pytest.mark.parametrize("model", [None, [], {"family": 3}, {"family": "other"}])
def test_nested_records_of_a_malformed_model_are_the_default_one(model):
    assert family.nested_records({"model": model}) == family.nested_records({}) == {"model": MatterportConfig}


def test_model_keys_of_one_family_are_those_of_its_record(monkeypatch):
    for name in set(family.FAMILIES) - {"matterport"}:
        monkeypatch.delitem(family.FAMILIES, name)
    assert keys.model_keys()["properties"]["family"]["const"] == "matterport"
    assert keys.train_keys()["properties"]["model"] == keys.model_keys()


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ({}, True),
        ({"backbone": "resnet50"}, True),
        ({"family": "matterport", "backbone": "resnet50"}, True),
        ({"depth": 3}, False),
        ({"family": "toy", "depth": 3}, True),
        ({"family": "toy", "backbone": "resnet50"}, False),
        ({"family": "other"}, False),
    ],
)
def test_model_keys_of_several_families_depend_on_the_family(values, fits):
    jsonschema = pytest.importorskip("jsonschema", reason="`make install-dev` installs it")
    assert jsonschema.Draft202012Validator(keys.model_keys()).is_valid(values) == fits
