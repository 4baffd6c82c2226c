import xml.etree.ElementTree as ET

import pytest

from mrcnn.report import svg

BAD = "<script>alert('x')</script>&\""


def rects(drawn):
    root = ET.fromstring(drawn)
    return [
        (float(r.get("x")), float(r.get("y")), float(r.get("width")), float(r.get("height"))) for r in root.iter("rect")
    ]


def test_bars_are_stacked_in_proportion():
    drawn = svg.bars([("cat", [30, 10]), ("dog", [0, 20])], parts=("train", "val"), label="objects")
    room = svg.WIDTH - svg.LABEL - svg.NUMBER  # of the longest bar, 40
    assert rects(drawn) == [
        (svg.LABEL, 0, room * 0.75, svg.ROW),
        (svg.LABEL + room * 0.75, 0, room * 0.25, svg.ROW),
        (svg.LABEL, svg.ROW + svg.GAP, room * 0.5, svg.ROW),
    ]
    titles = [item.text for item in ET.fromstring(drawn).iter("title")]
    assert titles == ["cat, train: 30", "cat, val: 10", "dog, val: 20"]


def test_bars_escape_and_shorten_names():
    drawn = svg.bars([(BAD, [1])], parts=(BAD,), label=BAD)
    root = ET.fromstring(drawn)
    assert root.get("aria-label") == BAD
    assert [item.text for item in root.iter("title")] == [BAD, f"{BAD}, {BAD}: 1"]
    assert "<script" not in drawn


def test_bars_of_nothing():
    assert svg.bars([], parts=("a",), label="b") == ""
    assert rects(svg.bars([("cat", [0])], parts=("a",), label="b")) == []


def test_histogram_bars_stand_on_the_axis():
    drawn = svg.histogram([1, 2, 4], [5, 10], label="sizes")
    low, high = rects(drawn)
    assert (high[3], low[3]) == (svg.PLOT, svg.PLOT / 2)
    assert low[1] + low[3] == high[1] + high[3]
    assert high[0] - low[0] == svg.WIDTH / 2


@pytest.mark.parametrize(("value", "x"), [(1, 0), (3, 0.75), (4, 1)])
def test_histogram_marks_values_between_edges_linearly(value, x):
    drawn = svg.histogram([1, 2, 4], [5, 10], label="sizes", marks=[(value, "here")])
    assert f'd="M{x * svg.WIDTH:.1f} 4V' in drawn


def test_histogram_leaves_marks_outside_out_and_nothing_is_empty():
    assert "here" not in svg.histogram([1, 2], [5], label="sizes", marks=[(3, "here")])
    assert svg.histogram([], [], label="sizes") == ""
    assert rects(svg.histogram([1, 2], [0], label="sizes"))[0][3] == 0


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (12.34, "12.3"), (0.125, "0.125"), (2, "2"), (0, "0"), (99.96, "100")]
)
def test_number_has_three_digits(value, text):
    assert svg.number(value) == text
