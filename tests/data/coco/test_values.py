"""Single values of COCO annotations."""

import pytest

from mrcnn.data.coco import values


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, False), (0, False), (1, True), (1.0, True), (True, True), ("1", True), (" False ", False), ("", False),
        (2, None), ("x", None), ([], None),
    ],
)  # fmt: skip
def test_crowd(value, found):
    assert values.crowd(value) is found


def test_facts_of_a_detection():
    annotation = {"id": 3, "score": 0.5, "attributes": {"occluded": True}, "bbox": []}
    assert values.facts(annotation) == {"score": 0.5, "attributes": {"occluded": True}}


@pytest.mark.parametrize(
    "annotation",
    [
        {},
        {"score": None},
        {"score": "0.5"},
        {"score": True},
        {"score": float("nan")},
        {"attributes": []},
        {"attributes": {}},
    ],
)
def test_facts_of_none_share_one_mapping(annotation):
    assert values.facts(annotation) is values.NOTHING
