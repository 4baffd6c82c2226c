import pytest

from mrcnn.card import markdown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a_b", "a_b"),  # inside a word it is no emphasis
        ("_a_", r"\_a\_"),
        ("a|b*c`d", r"a\|b\*c\`d"),
        ("<script>[x](y)", r"\<script\>\[x\](y)"),
        ("two\nlines", "two lines"),
        ("\x1b[1m", r"\\x1b\[1m"),
        ("", ""),
        (3, "3"),
    ],
)
def test_escaped(text, expected):
    assert markdown.escaped(text) == expected


def test_table():
    expected = "| a | b |\n| --- | ---: |\n| x | 1 |"
    assert markdown.table(("a", "b"), [("x", 1)]) == expected
    assert markdown.table(("a", "b"), [("x", 1)], numbers=False) == expected.replace("---:", "---")
    assert markdown.table(("a",), []) == "| a |\n| --- |"


def test_items():
    assert markdown.items([("a", 1), ("b", "c")]) == "- **a:** 1\n- **b:** c"
    assert markdown.items([]) == ""


def test_number_and_size():
    assert (markdown.number(0.12345), markdown.number(None)) == ("0.123", "–")
    assert markdown.size((480, 640)) == "640 x 480"
