"""Checks reading and writing of `meta.json`, new and old forms."""

import time

import pytest

from mrcnn.errors import UserError
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta

MODERN = {
    "classes": [
        {"title": "pear", "shape": "bitmap", "color": "#BE55CE", "geometry_config": {}, "id": 7, "hotkey": "p"},
        {"title": "apple", "shape": "any", "color": "#00ff00", "description": "red"},
    ],
    "tags": [
        {"name": "train", "value_type": "none", "color": "#D98F7E", "applicable_type": "all", "classes": []},
        {"name": "kind", "value_type": "oneof_string", "color": "#D98F7E", "values": ["a", "b"]},
    ],
    "projectType": "images",
    "projectSettings": {"multiView": {"enabled": False}},
}


def test_project_meta_modern_meta_is_written_as_it_was_read():
    meta = ProjectMeta.from_json(MODERN)
    assert meta.to_json() == MODERN
    assert [item.title for item in meta.classes] == ["pear", "apple"]  # the file's order, not sorted
    assert meta.classes[0].extra["hotkey"] == "p"
    assert meta.tags[1].values == ("a", "b")


def test_project_meta_empty_meta():
    assert ProjectMeta.from_json({"classes": []}).to_json() == {"classes": [], "tags": []}
    assert ProjectMeta().to_json() == {"classes": [], "tags": []}


def test_project_meta_tags_may_be_plain_names():
    assert ProjectMeta.from_json({"classes": [], "tags": ["train", "val"]}).tags == (TagMeta("train"), TagMeta("val"))


def test_project_meta_legacy_tag_lists_are_merged_by_name():
    tags = {"tags_images": ["train", {"name": "n", "value_type": "any_number"}], "tags_objects": ["train", "blurred"]}
    meta = ProjectMeta.from_json({"classes": [], **tags})
    assert [(tag.name, tag.value_type) for tag in meta.tags] == [
        ("train", "none"),
        ("n", "any_number"),
        ("blurred", "none"),
    ]
    assert set(meta.to_json()) == {"classes", "tags"}


def test_project_meta_legacy_lists_may_be_empty_beside_new_tags():
    meta = ProjectMeta.from_json({"classes": [], "tags": ["a"], "tags_images": [], "tags_objects": []})
    assert [tag.name for tag in meta.tags] == ["a"]


@pytest.mark.parametrize("color", [None, "", "red", "#12345", "#1234567", 5])
def test_class_meta_a_missing_or_malformed_color_is_derived_from_the_title(color):
    first, second, other = (
        ClassMeta.from_json({"title": title, "shape": "bitmap", "color": color}) for title in ("a", "a", "b")
    )
    assert first.color == second.color != other.color
    assert len(first.color) == 7
    assert int(first.color[1:], 16) >= 0


def test_find_and_with_tags():
    meta = ProjectMeta.from_json(MODERN)
    assert meta.find_class("apple").shape == "any"
    assert meta.find_class("plum") is None
    assert meta.find_tag("kind").value_type == "oneof_string"
    assert meta.find_tag("val") is None
    tagged = meta.with_tags("train", "val", "val")
    assert [tag.name for tag in tagged.tags] == ["train", "kind", "val"]
    assert tagged.extra == meta.extra


@pytest.mark.parametrize(
    ("tag", "good", "bad"),
    [
        (TagMeta("t"), [None], ["", 0, "x"]),
        (TagMeta("t", "any_number"), [0, -1.5], [None, "1", True]),
        (TagMeta("t", "any_string"), ["", "x"], [None, 1]),
        (TagMeta("t", "oneof_string", values=("a", "b")), ["a", "b"], [None, "c", 1, []]),
        (TagMeta("t", "date"), ["2026-01-31"], [None, 20260131]),
        (TagMeta("t", "of 2030"), [None, 1, {}], []),
    ],
    ids=lambda item: item.value_type if isinstance(item, TagMeta) else None,
)
def test_tag_meta_accepts_a_tag_says_which_values_fit(tag, good, bad):
    assert [tag.accepts(value) for value in good + bad] == [True] * len(good) + [False] * len(bad)


def test_a_color_is_derived_from_any_text():
    assert len(ClassMeta("\U0001f600").color) == 7


@pytest.mark.parametrize("make", [ClassMeta, TagMeta])
def test_check_encodable_a_name_that_no_file_can_hold_is_refused(make):
    with pytest.raises(UserError, match=r"(class title|tag name) 'a\\ud83d' holds half of a character .*; rename it"):
        make("a\ud83d")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "list `classes`"),
        ({}, "list `classes`"),
        ({"classes": {}}, "list `classes`"),
        ({"classes": ["a"]}, "must be an object"),
        ({"classes": [{"shape": "bitmap"}]}, "`title`"),
        ({"classes": [{"title": "a"}]}, "`shape`"),
        ({"classes": [{"title": 3, "shape": "bitmap"}]}, "`title`"),
        ({"classes": [{"title": "a", "shape": "bitmap"}] * 2}, "'a' is there twice"),
        ({"classes": [], "tags": ["t", "t"]}, "'t' is there twice"),
        ({"classes": [], "tags": {"t": 1}}, "`tags` of meta.json must be a list"),
        ({"classes": [], "tags": [3]}, "an object or a name"),
        ({"classes": [], "tags": [{"value_type": "none"}]}, "`name`"),
        ({"classes": [], "tags": [{"name": "t", "value_type": "oneof_string"}]}, "needs a list `values`"),
        ({"classes": [], "tags": [{"name": "t", "value_type": "oneof_string", "values": "ab"}]}, "list of strings"),
        ({"classes": [], "tags": ["a"], "tags_images": ["b"]}, "keep one form"),
        (
            {"classes": [], "tags_images": ["n"], "tags_objects": [{"name": "n", "value_type": "any_number"}]},
            "one value type",
        ),
    ],
)
def test_project_meta_malformed_meta_is_one_line(data, message):
    with pytest.raises(UserError, match=message) as caught:
        ProjectMeta.from_json(data)
    assert "\n" not in str(caught.value)


def test_project_meta_many_classes_and_tags_are_found_without_a_search_for_each():
    names = [f"n{number}" for number in range(20_000)]
    start = time.process_time()
    meta = ProjectMeta(tuple(ClassMeta(name) for name in names), tuple(TagMeta(name) for name in names))
    assert all(meta.find_class(name).title == meta.find_tag(name).name == name for name in names)
    assert meta.find_class("none") is None
    assert time.process_time() - start < 5  # a search for each takes minutes
