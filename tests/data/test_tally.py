"""Counts by reason."""

from mrcnn.data.tally import Tally, short


def test_tally_lines_count_each_reason_and_name_three():
    tally = Tally()
    for number in range(5):
        tally.add("object left out", f"annotation {number}")
    tally.add("image left out", "a.png")
    assert tally.lines() == [
        "5 objects left out: annotation 0; annotation 1; annotation 2; …",
        "1 image left out: a.png",
    ]
    assert tally.counts["object left out"] == 5


def test_tally_lines_of_nothing():
    assert Tally().lines() == []


def test_tally_lines_are_safe_and_short():
    tally = Tally()
    tally.add("image left out", "\x1b[31m" + "a" * 10_000)
    (line,) = tally.lines()
    assert "\x1b" not in line
    assert len(line) < 300


def test_tally_lines_name_fewer_where_names_are_long():
    tally = Tally()
    for letter in "abc":
        tally.add("image left out", letter * 200)
    assert tally.lines() == [f"3 images left out: {'a' * 200}; {'b' * 200}; …"]  # 3 x 200 are more than 500


def test_tally_add_counts_what_one_name_stands_for():
    tally = Tally()
    tally.add("image left out", "id 1: 'a', 'b'", number=2)
    assert tally.lines() == ["2 images left out: id 1: 'a', 'b'"]  # all are named: no ellipsis


def test_short_cuts_long_and_deep_values():
    deep = []
    for _ in range(900):
        deep = [deep]
    assert len(short(deep)) < 50
    assert len(short({"a": "b" * 10_000})) < 100
    assert short([1, "x"]) == "[1, 'x']"
