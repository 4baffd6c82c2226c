import io
import json

import pytest

from mrcnn import events
from mrcnn.project import repeated
from mrcnn.project.repeated import Repeats, grouped, kind_of

PLUM = "object 3: class 'plum' is not in the project's meta.json"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"p/ds/ann/1.png.json: {PLUM}", f"p/ds/ann/a b 22.PNG.json: {PLUM}"),
        ("image 1.png in data set ds has no annotation", "image 20.png in data set other has no annotation"),
        ("`size` must be whole, got {'height': 'a'}", "`size` must be whole, got 'nothing'; correct it"),
        ("it has 1.5 points", "it has 22 points"),
    ],
)
def test_kind_of_is_the_same_whatever_the_file_and_the_number(one, other):
    assert kind_of(one, "a b 22.PNG", "p/ds/ann/a b 22.PNG.json") == kind_of(
        other, "a b 22.PNG", "p/ds/ann/a b 22.PNG.json"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PLUM, PLUM.replace("plum", "pear")),
        ("the image's class 'cell1' is lost", "the image's class 'cell2' is lost"),
        ("class 'a/b' is lost", "class 'a/c' is lost"),
        ("cannot decode x/1.png", "cannot open x/1.png"),
    ],
)
def test_kind_of_keeps_titles_and_words(one, other):
    assert kind_of(one) != kind_of(other)


def test_grouped_counts_what_is_repeated_and_shows_the_rest():
    assert grouped([]) == []
    few = [f"p/{number}.png is broken" for number in range(3)]
    many = [f"p/{number}.json: {PLUM}" for number in range(170)]
    assert grouped([*few, *many]) == [*few, f"170 times, e.g. p/0.json: {PLUM}"]
    assert repeated.counted(many, files=4) == [f"170 times in 4 files, e.g. p/0.json: {PLUM}"]


def test_kind_of_takes_the_file_name_out_of_a_path():
    one, other = (kind_of(f"p q/ann/{name}.json is broken", f"ds/{name}") for name in ("in a.png", "out b.png"))
    assert one == other


def test_repeats_logs_the_first_three_of_a_kind_and_counts_them_at_the_end():
    stream = io.StringIO()
    repeats = Repeats(events.JsonLog(stream), level="error")
    for number in range(170):
        repeats.add(f"my image {number} is lost", f"my image {number}")
    repeats.add("all else is fine")
    repeats.close()
    repeats.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["message"] for line in lines] == [
        "my image 0 is lost",
        "my image 1 is lost",
        "my image 2 is lost (more messages like this are counted, not shown)",
        "all else is fine",
        "170 times, e.g. my image 0 is lost",
    ]
    assert {line["level"] for line in lines} == {"error"}


def test_repeats_without_a_log_says_nothing(capsys):
    repeats = Repeats(None)
    for _ in range(5):
        repeats.add("lost")
    repeats.close()
    assert capsys.readouterr() == ("", "")
