import math

import pydantic
import pytest

from mrcnn.config import base


class Sample(base.Settings):
    count: base.PositiveInt = 1
    index: base.Index = 0
    number: base.Number = 0.0
    positive: base.Positive = 1.0
    share: base.Fraction = 0.5
    flag: base.Flag = False
    name: base.Name = "a"


@pytest.mark.parametrize(
    "values",
    [
        {"count": 1},
        {"index": 0},
        {"number": 3},
        {"number": -2.5},
        {"share": 0},
        {"share": 1},
        {"flag": True},
        {"name": "b"},
    ],
)
def test_json_values_of_the_right_type_pass(values):
    assert Sample(**values).model_dump(include=set(values)) == values


@pytest.mark.parametrize(
    "values",
    [
        {"count": True},
        {"count": 1.0},
        {"count": "1"},
        {"count": 0},
        {"count": 2**31},
        {"index": -1},
        {"number": "1"},
        {"number": True},
        {"number": math.nan},
        {"number": math.inf},
        {"number": 10**400},
        {"positive": 0},
        {"share": 1.01},
        {"share": math.nan},
        {"flag": 1},
        {"flag": "true"},
        {"name": ""},
        {"name": 3},
        {"other": 1},
    ],
)
def test_other_values_and_keys_are_refused(values):
    with pytest.raises(pydantic.ValidationError):
        Sample(**values)


def test_settings_cannot_be_changed():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        Sample().count = 2
