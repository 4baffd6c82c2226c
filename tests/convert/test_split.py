"""Tags images for training and validation."""

import random

import pytest

from mrcnn.convert.split import Split
from mrcnn.data.tally import Tally
from mrcnn.errors import UserError

NAMES = [f"{number}.png" for number in range(10)]


def _write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def _of(tags, tag):
    return [name for name, found in tags.items() if found == tag]


def test_tags_by_default_draw_a_fifth():
    tags = Split().tags(NAMES, Tally())
    drawn = {NAMES[index] for index in random.Random(0).sample(range(10), 2)}  # round(10 * 0.2)
    assert set(_of(tags, "val")) == drawn
    assert len(_of(tags, "train")) == 8
    assert list(tags) == NAMES


def test_tags_of_a_fraction_depend_on_the_seed_alone():
    first, again, other = (Split(0.3, seed).tags(NAMES, Tally()) for seed in (1, 1, 2))
    assert first == again != other
    assert len(_of(other, "val")) == 3
    assert Split(0.01).tags(["a", "b"], Tally()).values() != {"train"}  # one validates at least
    assert Split(0.5).tags(["a"], Tally()) == {"a": "train"}


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan")])
def test_tags_of_a_fraction_out_of_range_are_refused(fraction):
    with pytest.raises(UserError, match="--val-fraction must be above 0 and below 1"):
        Split(fraction).tags(NAMES, Tally())


def test_tags_by_lists_name_what_they_do_not_cover(tmp_path):
    train = _write(tmp_path / "t.txt", "\ufeff0.png\r\n1\n\n  2 \nnone.png\n")
    val = _write(tmp_path / "v.txt", "3\n3\n")
    tally = Tally()
    tags = Split(train_list=train, val_list=val).tags(NAMES[:5], tally)
    assert tags == {"0.png": "train", "1.png": "train", "2.png": "train", "3.png": "val", "4.png": None}
    assert tally.lines() == [
        "1 listed name without an image and mask: none.png (t.txt)",
        "1 image in no list, without a tag: 4.png",
    ]


def test_tags_by_one_list_tag_the_others_with_the_other_tag(tmp_path):
    path = _write(tmp_path / "l.txt", "1\n")
    assert Split(val_list=path).tags(NAMES[:2], Tally()) == {"0.png": "train", "1.png": "val"}
    assert Split(train_list=path).tags(NAMES[:2], Tally()) == {"0.png": "val", "1.png": "train"}


def test_tags_by_list_prefer_the_whole_name_and_compare_one_unicode_form(tmp_path):
    path = _write(tmp_path / "l.txt", "a.b\ncafe\u0301\n")
    tags = Split(val_list=path).tags(["a.b", "a.b.png", "caf\u00e9.jpg"], Tally())
    assert tags == {"a.b": "val", "a.b.png": "train", "caf\u00e9.jpg": "val"}


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        (b"0\n1\n", b"1.png\n", r"1\.png is in both lists, .*t\.txt and .*v\.txt; remove it from one"),
        (b"", b"1\n", r"the list .*t\.txt names none of the images; write one name a line, such as 0\.png"),
        (b"0\n", b"\n x \n", r"the list .*v\.txt names none of the images"),
        (b"0\n", b"\xff\xfe\x00", r"the list .*v\.txt must be UTF-8 text, one name a line"),
    ],
)
def test_tags_by_wrong_lists_are_refused(tmp_path, train, val, message):
    (tmp_path / "t.txt").write_bytes(train)
    (tmp_path / "v.txt").write_bytes(val)
    with pytest.raises(UserError, match=message):
        Split(train_list=tmp_path / "t.txt", val_list=tmp_path / "v.txt").tags(NAMES, Tally())


def test_tags_by_a_missing_list_name_it(tmp_path):
    with pytest.raises(UserError, match=r"cannot read the list .*gone\.txt"):
        Split(val_list=tmp_path / "gone.txt").tags(NAMES, Tally())


def test_tags_of_one_tag_and_of_no_image():
    assert Split().tags([], Tally()) == {}
    assert Split(tag="test").tags(["a", "b"], Tally()) == {"a": "test", "b": "test"}


@pytest.mark.parametrize("given", [{"tag": "x", "val_fraction": 0.2}, {"tag": "x", "val_list": "l"},
                                   {"val_fraction": 0.2, "train_list": "l"}])  # fmt: skip
def test_split_of_two_ways_is_refused(given):
    with pytest.raises(UserError, match="only one of the three"):
        Split(**given)
