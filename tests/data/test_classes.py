import pytest

from mrcnn.data import classes
from mrcnn.errors import UserError


def test_class_mapping_and_num_classes_background_is_first_then_code_point_order():
    mapping = classes.class_mapping(["pear", "Zebra", "apple"], "bg")
    assert list(mapping.items()) == [("bg", 0), ("Zebra", 1), ("apple", 2), ("pear", 3)]
    assert classes.num_classes(mapping) == 4


def test_class_mapping_project_class_can_be_the_background():
    assert classes.class_mapping(["b", "sky", "a"], "sky") == {"sky": 0, "a": 1, "b": 2}


def test_class_mapping_neutral_gets_no_index():
    assert classes.class_mapping(["b", "neutral", "a"], "bg", "neutral") == {"bg": 0, "a": 1, "b": 2}


@pytest.mark.parametrize("titles", [[], ["bg"], ["bg", "neutral"]])
def test_class_mapping_nothing_to_learn(titles):
    with pytest.raises(UserError, match="no class to learn"):
        classes.class_mapping(titles, "bg", "neutral")


def test_reuse_mapping_keeps_the_models_order():
    mapping = classes.reuse_mapping(
        {"b": 1, "bg": 0, "a": 2}, ["a", "b", "neutral"], background="bg", neutral="neutral"
    )
    assert list(mapping.items()) == [("bg", 0), ("b", 1), ("a", 2)]


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ({"bg": 0, "a": 1}, r"only the project has \['b'\], only the model has \[\]"),
        ({"bg": 0, "a": 1, "b": 2, "c": 3}, r"only the model has \['c'\]"),
        ({"bg": 1, "a": 0, "b": 2}, r"'bg' must be class 0 of the model, got 1"),
        ({"bg": 0, "a": 1, "b": 3}, r"0, 1, 2"),
    ],
)
def test_reuse_mapping_refuses(saved, message):
    with pytest.raises(UserError, match=message):
        classes.reuse_mapping(saved, ["a", "b"], background="bg")
