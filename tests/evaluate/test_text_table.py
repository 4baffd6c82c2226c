"""The table of an evaluation, and how it is divided."""

import math

from mrcnn.evaluate import table as metric_kinds
from mrcnn.evaluate.text_table import text_table


def test_table():
    numbers = dict.fromkeys(metric_kinds.METRICS["coco"].columns, 0.5) | {"box_ap": 1.0, "mask_ap75": math.nan}
    per_class = {
        "cat": {"objects": 12, "detections": 3, **numbers},
        "a dog": {"objects": 0, "detections": 1, **numbers},
    }
    lines = text_table({**numbers, "per_class": per_class}).splitlines()
    assert lines == [
        "       objects  found  box_ap  box_ap50  box_ap75  mask_ap  mask_ap50  mask_ap75",
        "cat         12      3   1.000     0.500     0.500    0.500      0.500          -",
        "a dog        0      1   1.000     0.500     0.500    0.500      0.500          -",
        "all         12      4   1.000     0.500     0.500    0.500      0.500          -",
    ]


def test_table_is_divided_where_it_is_wider_than_a_terminal():
    numbers = dict.fromkeys(metric_kinds.METRICS["coco"].columns, 0.5)
    metrics = {**numbers, "per_class": {"cat": {"objects": 12, "detections": 3, **numbers}}}
    # cat 3, then 2 + 7 and 2 + 5, 8, 10 and 10: 47 letters; with mask_ap 56
    assert text_table(metrics, width=47).splitlines() == [
        "     objects  found  box_ap  box_ap50  box_ap75",
        "cat       12      3   0.500     0.500     0.500",
        "all       12      3   0.500     0.500     0.500",
        "",
        "     mask_ap  mask_ap50  mask_ap75",
        "cat    0.500      0.500      0.500",
        "all    0.500      0.500      0.500",
    ]
    assert "box_ap75" in text_table(metrics, width=46).split("\n\n")[1]
    assert len(text_table(metrics, width=1).split("\n\n")) == 8  # a column each
    assert text_table(metrics, width=1000) == text_table(metrics)


def test_table_ends_with_the_groups():
    numbers = dict.fromkeys(metric_kinds.METRICS["coco"].columns, 0.5)
    per_class = {"cat": {"objects": 12, "detections": 3, **numbers}}
    groups = {"seen": {"objects": 12, "detections": 3, **numbers, "mask_ap": 0.25}, "unseen": {}}
    lines = text_table({**numbers, "groups": groups, "per_class": per_class}).splitlines()
    assert [line.split() for line in lines[-2:]] == [
        ["seen", "12", "3", "0.500", "0.500", "0.500", "0.250", "0.500", "0.500"],
        ["unseen", "0", "0", *"------"],
    ]
