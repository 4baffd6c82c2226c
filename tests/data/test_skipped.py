import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import tensorflow as tf

from mrcnn import events
from mrcnn.data.skipped import Skipped
from mrcnn.errors import UserError


def test_none():
    skipped = Skipped(10)
    assert (len(skipped), skipped.reasons, skipped.summary()) == (0, {}, "")


def test_counts_each_image_once_and_warns_once():
    stream = io.StringIO()
    skipped = Skipped(10, log=events.JsonLog(stream))
    for _ in range(3):
        skipped.add("ds/a.jpg", ValueError("cut\noff"))
    skipped.add("ds/b.jpg", "no such file")
    assert skipped.reasons == {"ds/a.jpg": "cut off", "ds/b.jpg": "no such file"}
    assert skipped.summary() == "2 of 10 images skipped: ds/a.jpg (cut off); ds/b.jpg (no such file)"
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["message"] for line in lines] == ["skipped ds/a.jpg: cut off", "skipped ds/b.jpg: no such file"]


def test_a_long_list_is_cut():
    skipped = Skipped(100)
    for letter in "abcdefghijklm":
        skipped.add(f"{letter}.png", f"bad in the way {letter}")
    assert skipped.summary().endswith("j.png (bad in the way j); and 3 more")


def test_one_reason_of_many_images_is_one_line_with_a_count():
    stream = io.StringIO()
    skipped = Skipped(500, log=events.JsonLog(stream))
    for number in range(170):
        skipped.add(f"ds/{number}.png", f"a/ds/ann/{number}.png.json: object {number}: class 'Person' is unknown")
    skipped.add("ds/x.png", "cut off")
    assert skipped.summary() == (
        "171 of 500 images skipped: 170 times, e.g. "
        "ds/0.png (a/ds/ann/0.png.json: object 0: class 'Person' is unknown); ds/x.png (cut off)"
    )
    assert len(stream.getvalue().splitlines()) == 4  # three of the 170, and the other


def test_too_large_a_share():
    skipped = Skipped(4, max_share=0.5)
    skipped.add("a", "bad")
    skipped.add("b", "bad")  # 2 of 4: not more than half
    with pytest.raises(UserError, match="too many images cannot be used: 3 of 4"):
        skipped.add("c", "worse")


def test_threads():
    skipped = Skipped(1000)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: skipped.add(str(number % 400), "bad"), range(1600)))
    assert len(skipped) == 400


def _read(skipped, function):
    dataset = tf.data.Dataset.range(1).map(lambda x: tf.numpy_function(function, [x], tf.int64))
    with skipped.surfaced():
        return list(dataset)


def test_an_error_inside_a_dataset_comes_out():
    skipped = Skipped(1)
    with pytest.raises(UserError, match=r"^too many"):
        _read(skipped, lambda _: skipped.add("a", "bad"))


def test_our_own_mistakes_are_not_hidden():
    with pytest.raises(tf.errors.OpError, match="ZeroDivisionError"):
        _read(Skipped(1), lambda number: 1 // int(number))


def test_without_an_error_nothing_happens():
    assert _read(Skipped(1), lambda x: x) == [0]
