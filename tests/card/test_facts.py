import json

import pytest

from mrcnn.card import facts
from mrcnn.errors import UserError

from . import made


def test_write_and_read_are_inverse(tmp_path):
    path = tmp_path / facts.FILE
    facts.write(path, made.FACTS)
    assert facts.read(path) == made.FACTS
    assert [item.name for item in tmp_path.iterdir()] == [facts.FILE]


def test_read_of_an_empty_object_has_defaults(tmp_path):
    path = tmp_path / facts.FILE
    path.write_text("{}")
    assert facts.read(path) == facts.RunFacts()
    assert facts.read(path).hours == 0


def test_read_ignores_keys_of_later_versions(tmp_path):
    path = tmp_path / facts.FILE
    path.write_text(json.dumps({"parameters": 3, "later": 1, "data": {"name": "a", "later": 2}}))
    assert facts.read(path).parameters == 3
    assert facts.read(path).data.name == "a"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[]", "it is no JSON object"),
        ("{", "it is no JSON object"),
        ('{"processes": [{"began": 3}]}', "processes.0.began"),
    ],
)
def test_read_names_what_is_damaged(tmp_path, text, where):
    path = tmp_path / facts.FILE
    path.write_text(text)
    with pytest.raises(UserError, match=f"run.json is damaged \\({where}\\); remove it"):
        facts.read(path)


def test_read_of_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="cannot read the record of the run"):
        facts.read(tmp_path / "no")


def test_hours_are_those_of_all_processes():
    assert made.FACTS.hours == (5400 + 1800) / 3600


def test_finite():
    values = {"a": 1, "b": float("nan"), "c": {"d": 1}, "e": float("inf"), "f": 0.5}
    assert facts.finite(values) == {"a": 1.0, "b": None, "e": None, "f": 0.5}
    assert facts.finite({}) == {}
