"""Categories of a COCO file."""

import time
from collections import Counter

import pytest

from mrcnn.data.coco.categories import NAMELESS, NAMESAKE, ROOT, WITHOUT_ID, facts_of, id_text, read_categories
from mrcnn.data.tally import Tally
from mrcnn.errors import UserError


def read(*items, used=()):
    tally = Tally()
    return read_categories(items, Counter(used), tally), tally


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1"), (1.0, "1"), ("1", "1"), (" 1 ", "1"), (-3, "-3"), ("a7", "a7"), (10**30, "1" + "0" * 30)],
)
def test_id_text(value, text):
    assert id_text(value) == text


@pytest.mark.parametrize("value", [None, True, False, "", " ", 1.5, float("nan"), float("inf"), [1], {"a": 1}])
def test_id_text_of_no_id(value):
    assert id_text(value) is None


def test_read_categories_sorts_numbers_before_texts():
    items = [{"id": name, "name": f"n{name}"} for name in ("b", 10, "9", 2.0, "a")]
    assert list(read(*items)[0].items()) == [("2", "n2.0"), ("9", "n9"), ("10", "n10"), ("a", "na"), ("b", "nb")]


def test_read_categories_of_none():
    names, tally = read()
    assert names == {}
    assert tally.lines() == []


@pytest.mark.parametrize("root", ["cat", "animals"])  # the root may be called like a class
def test_read_categories_leaves_the_root_out(root):
    items = [{"id": 0, "name": root, "supercategory": "none"}, {"id": 1, "name": "cat", "supercategory": root}]
    for listed in (items, [items[0], *items]):  # the root once, the root twice
        names, tally = read(*listed, used="1")
        assert names == {"1": "cat"}
        assert tally.counts == {ROOT: 1}


@pytest.mark.parametrize(
    "items",
    [
        [{"id": 1, "name": "person", "supercategory": "person"}],  # as in COCO itself
        [{"id": 1, "name": "a", "supercategory": "b"}, {"id": 2, "name": "b", "supercategory": "a"}],  # a circle
        [{"id": 1, "name": "a", "supercategory": ["x"]}, {"id": 2, "name": "b", "supercategory": None}],
        [{"id": 1, "name": "a", "supercategory": "none"}],
        [{"id": 1, "name": "none", "supercategory": "none"}, {"id": 2, "name": "b", "supercategory": "none"}],
    ],
)
def test_read_categories_keeps_classes_without_objects(items):
    names, tally = read(*items)
    assert len(names) == len(items)
    assert tally.lines() == []


def test_read_categories_keeps_a_root_with_objects():
    items = [{"id": 0, "name": "animals"}, {"id": 1, "name": "cat", "supercategory": "animals"}]
    assert read(*items, used="01")[0] == {"0": "animals", "1": "cat"}


def test_read_categories_keeps_the_namesake_with_objects():
    items = [{"id": 1, "name": "cat"}, {"id": 2, "name": "cat"}, {"id": 3, "name": "cat"}]
    names, tally = read(*items, used="2")
    assert names == {"2": "cat"}
    assert tally.counts == {NAMESAKE: 2}
    assert read(*items)[0] == {"3": "cat"}  # none has objects: one stays


def test_read_categories_refuses_namesakes_with_objects():
    with pytest.raises(UserError, match=r"'cat' is the name of several categories \(ids 1, 2\); rename one"):
        read({"id": 1, "name": "cat"}, {"id": 2, "name": "cat"}, used="12")


def test_read_categories_refuses_an_id_with_two_names():
    with pytest.raises(UserError, match="id 1 is there twice, for 'cat' and for 'dog'"):
        read({"id": 1, "name": "cat"}, {"id": "1", "name": "dog"})
    assert read({"id": 1, "name": "cat"}, {"id": 1, "name": "cat"})[0] == {"1": "cat"}


@pytest.mark.parametrize("name", ["", "  ", None, [], True])
def test_read_categories_asks_for_a_name(name):
    with pytest.raises(UserError, match="category 1 has no name, but 2 objects; give it a `name`"):
        read({"id": 1, "name": name}, used="11")
    names, tally = read({"id": 1, "name": name}, {"id": 2, "name": "dog"}, used="2")
    assert names == {"2": "dog"}
    assert tally.counts == {NAMELESS: 1}


def test_read_categories_refuses_a_name_that_cannot_be_written():
    with pytest.raises(UserError, match="cannot be written"):
        read({"id": 1, "name": "\ud800"})


def test_read_categories_leaves_out_what_has_no_id():
    names, tally = read(3, {"name": "x"}, {"id": None, "name": "y"}, {"id": 2, "name": "dog"})
    assert names == {"2": "dog"}
    assert tally.counts == {WITHOUT_ID: 3}


def test_read_categories_refuses_ids_counted_from_zero():
    items = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    with pytest.raises(UserError, match=r"objects \(0, 1\) are all one lower than those of `categories` \(1, 2\)"):
        read(*items, used="01")
    assert len(read(*items, used="09")[0]) == 2  # one wrong id is a wrong object


def test_read_categories_takes_linear_time():
    items = [{"id": number, "name": f"class {number % 10_000}"} for number in range(20_000)]
    began = time.process_time()
    names, _ = read(*items, used=[str(number) for number in range(10_000)])
    assert len(names) == 10_000
    assert time.process_time() - began < 2


def test_facts_of_are_the_other_keys_of_the_categories_read():
    items = [{"id": 2, "name": "dog", "frequency": "r"}, {"name": "x"}, 5, {"id": 1, "name": "cat"}, {"id": 7}]
    assert facts_of(items, {"1": "cat", "2": "dog"}) == {"cat": {"id": 1}, "dog": {"id": 2, "frequency": "r"}}
    twice = [{"id": 2, "name": "dog", "frequency": "r"}, {"id": "2", "name": "dog", "frequency": "f", "kind": "pet"}]
    assert facts_of(twice, {"2": "dog"}) == {"dog": {"id": 2, "frequency": "r", "kind": "pet"}}
    assert facts_of([], {}) == {}
