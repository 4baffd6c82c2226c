"""Names of classes: the ways to give them, their numbers, and what is refused."""

import json

import pytest

from mrcnn.errors import UserError
from mrcnn.model_folder import class_names


def test_cocos_names_stand_in_the_order_of_their_ids():
    names = class_names.read_names("coco")
    assert len(names) == len(set(names)) == 80
    # the ids are 1 to 90 with 10 unused; 12, 26, 29, 30, 45, 66, 68, 69, 71 and 83 are
    unused = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
    ids = [number for number in range(1, 91) if number not in unused]
    numbered = dict(zip(ids, names, strict=True))
    assert {number: numbered[number] for number in (1, 11, 13, 27, 31, 44, 67, 70, 72, 84, 90)} == {
        1: "person", 11: "fire hydrant", 13: "stop sign", 27: "backpack", 31: "handbag", 44: "bottle",
        67: "dining table", 70: "toilet", 72: "tv", 84: "book", 90: "toothbrush",
    }  # fmt: skip


def test_cocos_stuff_stands_in_the_order_of_its_ids():
    names = class_names.stuff_names(53)
    assert len(set(names)) == 53
    # COCO's panoptic ids of stuff: 92 banner to 181 window-other, then 184 tree-merged, 187 sky to 200 rug-merged
    assert (names[0], names[35], names[36], names[39], names[52]) == (
        "banner", "window-other", "tree-merged", "sky-other-merged", "rug-merged",
    )  # fmt: skip
    assert class_names.stuff_names(2) == ("stuff 1", "stuff 2")
    assert class_names.stuff_names(0) == ()


def test_names_are_given_in_four_ways(tmp_path):
    path = tmp_path / "names.json"
    path.write_text(json.dumps(["cat", "a dog", "kiwi"]))
    assert class_names.read_names("cat, a dog,kiwi") == ("cat", "a dog", "kiwi")
    assert class_names.read_names(str(path)) == class_names.read_names(path) == ("cat", "a dog", "kiwi")
    assert class_names.read_names(["cat", "a dog", "kiwi"]) == ("cat", "a dog", "kiwi")
    assert class_names.read_names("cat") == ("cat",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("cat,,dog", r'a list of texts that are not empty, got \["cat", "", "dog"\]'),
        ("", "that are not empty"),
        ([], "that are not empty"),
        ([1, 2], "that are not empty"),
        ("cat,dog,cat", 'must differ, got "cat" more than once'),
        ("missing.json", r"missing\.json does not exist"),
    ],
)
def test_names_that_are_refused(given, message):
    with pytest.raises(UserError, match=message):
        class_names.read_names(given)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"cat": 1}', r"must hold a list of class names like .*, got {\"cat\": 1}"),
        ("[1", "cannot be read as JSON"),
        ('["cat", 1]', "that are not empty"),
    ],
)
def test_files_that_are_refused(tmp_path, content, message):
    (tmp_path / "names.json").write_text(content)
    with pytest.raises(UserError, match=message):
        class_names.read_names(tmp_path / "names.json")


@pytest.mark.parametrize(
    ("names", "titles"),
    [
        (("cat", "dog"), ("bg", "cat", "dog")),
        (("BG", "cat", "dog"), ("BG", "cat", "dog")),
        (("__background__", "cat", "dog"), ("__background__", "cat", "dog")),
    ],
)
def test_the_background_may_be_left_out(names, titles):
    assert class_names.number_names(names, num_classes=3, source="m.h5") == titles


@pytest.mark.parametrize("names", [("cat",), ("cat", "dog", "kiwi"), ("cat", "bg", "kiwi"), ("BG", "a", "b", "c")])
def test_another_number_of_names_tells_both_numbers(names):
    with pytest.raises(UserError, match=rf"^{len(names)} class names are given, but m\.h5 has 2 classes besides"):
        class_names.number_names(names, num_classes=3, source="m.h5")


def test_a_class_may_not_be_called_as_the_background():
    with pytest.raises(UserError, match="'bg' is that of the background"):
        class_names.number_names(("cat", "bg"), num_classes=3, source="m.h5")


def test_a_name_that_no_file_can_hold_is_refused():
    with pytest.raises(UserError, match=r"the class name .* holds half of a character"):
        class_names.read_names(["cat", "\ud83d"])


def test_metas_have_the_order_and_colours_of_the_folder():
    listed = [{"title": "dog", "shape": "bitmap", "color": "#00FF00"}, {"title": "bg", "shape": "bitmap"}]
    found = class_names.metas(listed, ("bg", "cat", "dog"))
    assert [item.title for item in found] == ["dog", "cat"]
    assert found[0].color == "#00FF00"
    assert class_names.metas([], ("bg",)) == ()
    with pytest.raises(UserError, match="`classes` must be a list, got 3"):
        class_names.metas(3, ("bg",))
