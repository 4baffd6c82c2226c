import math
import re
import xml.etree.ElementTree as ET

import pytest

from mrcnn.report import lines, svg
from mrcnn.report.lines import Axes, Line

BAD = "<script>alert('x')</script>&\""
AXES = Axes("epoch", "loss", (0.0, 4.0), (0.0, 2.0))
WIDE = svg.WIDTH - lines.LEFT - lines.RIGHT


def chart(*given, axes=AXES):
    return lines.chart(given, axes, label="loss by epoch")


def path_of(drawn):
    return re.search(r'class="line [^"]*" d="([^"]*)"', drawn).group(1)


def test_chart_places_points_in_the_plot():
    drawn = chart(Line("a", [(0, 0), (2, 1), (4, 2)]))
    left, top, bottom = lines.LEFT, lines.TOP, lines.TOP + lines.PLOT
    assert path_of(drawn) == (
        f"M{left:.1f} {bottom:.1f}L{left + WIDE / 2:.1f} {top + lines.PLOT / 2:.1f}L{left + WIDE:.1f} {top:.1f}"
    )
    titles = [item.text for item in ET.fromstring(drawn).iter("title")]
    assert titles == ["a: 0, 0", "a: 2, 1", "a: 4, 2"]


def test_chart_leaves_gaps():
    assert path_of(chart(Line("a", [(0, 0), (1, math.nan), (2, 1), (3, 1)]))).count("M") == 2


def test_chart_of_nothing():
    assert chart() == chart(Line("a", [])) == chart(Line("a", [(1, math.nan)])) == ""


def test_chart_finds_the_ranges_of_the_points():
    drawn = chart(Line("a", [(1, 5), (3, 9)]), axes=Axes("x", "y"))
    texts = [item.text for item in ET.fromstring(drawn).iter("text")]
    assert {"1", "3", "5", "9"} <= set(texts)
    assert "NaN" not in chart(Line("a", [(1, 5)]), axes=Axes("x", "y"))  # one point has no range


@pytest.mark.parametrize(("value", "shown"), [(2.0, True), (5.0, False)])
def test_chart_marks_a_value_inside(value, shown):
    drawn = chart(Line("a", [(0, 0), (4, 2)]), axes=AXES._replace(mark=(value, "best")))
    assert ('class="mark"' in drawn) == shown


def test_chart_has_a_legend_of_several_lines_alone():
    assert "legend" not in chart(Line("a", [(0, 0)]))
    drawn = chart(Line("a", [(0, 0)]), Line("b", [(1, 1)], is_dashed=True, color=9))
    assert "legend" in drawn
    assert "line-1 dashed" in drawn  # the colours repeat


def test_chart_without_dots_where_there_are_many_points():
    assert "<circle" not in chart(Line("a", [(index / 100, 1) for index in range(100)]))


def test_chart_escapes_names():
    drawn = lines.chart(
        [Line(BAD, [(0, 0)]), Line("b", [(1, 1)])], Axes(BAD, BAD, (0, 1), (0, 1), (0.5, BAD)), label=BAD
    )
    assert "<script" not in drawn
    assert 'aria-label="&lt;script&gt;' in drawn


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0, 1, False, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 2.27, False, [0, 0.5, 1, 1.5, 2]),
        (1, 3, True, [1, 2, 3]),
        (1, 14, True, [5, 10]),
        (0.5, 1.5, True, [1]),
        (0, 0.004, False, [0, 0.001, 0.002, 0.003, 0.004]),
    ],
)
def test_ticks(low, high, whole, expected):
    assert lines.ticks(low, high, is_whole=whole) == pytest.approx(expected)


def test_legend():
    assert lines.legend([("cat", 2)]).count("part-2") == 1
