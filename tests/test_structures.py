import typing

import pytest

from mrcnn import structures

RECORDS = [value for value in vars(structures).values() if isinstance(value, type) and hasattr(value, "_fields")]


def test_a_batch_travels_as_a_dictionary_and_back():
    batch = structures.Batch(*range(9))
    assert structures.Batch(**batch._asdict()) == batch
    assert list(batch._asdict())[:2] == ["images", "windows"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_field_is_described(record):
    described = record.__doc__
    assert all(f"{name}:" in described for name in typing.get_type_hints(record))
