import pytest

from mrcnn.fields.table import FIELDS, named
from tests.fields import toy


def test_named_refuses_an_unknown_field():
    with pytest.raises(ValueError, match=r"'weight' is not in `mrcnn\.fields\.table\.FIELDS`; add a `Field`"):
        named("weight")


def test_named_finds_a_registered_field(monkeypatch):
    field = toy.Point()
    monkeypatch.setitem(FIELDS, "point", field)
    assert named("point") is field
