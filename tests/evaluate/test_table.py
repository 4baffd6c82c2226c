"""The table of metrics."""

import pytest

from mrcnn.config.keypoints import KeypointTemplate
from mrcnn.evaluate import table
from mrcnn.evaluate.metric import MetricKind
from mrcnn.fields.keypoints import Keypoints
from mrcnn.structures import SemanticRules


@pytest.fixture
def keypoints(monkeypatch):
    """Adds a metric that needs an extra field."""
    kind = MetricKind(None, columns=("oks",), validated={"oks": "OKS"}, needs=("keypoints",))
    monkeypatch.setitem(table.METRICS, "keypoints", kind)
    return kind


@pytest.mark.parametrize(("fields", "found"), [((), False), (("offset",), False), (("offset", "keypoints"), True)])
def test_kinds_for_selects_the_metrics_whose_fields_are_there(keypoints, fields, found):
    of_all = (table.METRICS["coco"], table.METRICS["boundary"])
    assert table.kinds_for(fields) == ((*of_all, keypoints) if found else of_all)
    assert table.needs(fields) == (("keypoints",) if found else ())


def test_columns_and_labels_are_those_of_all_kinds(keypoints):
    names = ("box_ap", "box_ap50", "box_ap75", "mask_ap", "mask_ap50", "mask_ap75")
    assert table.columns() == (
        *names, "boundary_ap", "oks", *(f"lvis_{name}" for name in names), "cityscapes_ap", "cityscapes_ap50",
        "pq", "sq", "rq", "semantic_iou",
    )  # fmt: skip
    shown = {"box_ap": "box AP", "box_ap50": "box AP50", "mask_ap": "mask AP", "mask_ap50": "mask AP50", "oks": "OKS"}
    shown |= {f"lvis_{name}": f"LVIS {shown[name]}" for name in ("box_ap", "mask_ap")}
    shown["lvis_mask_ap_rare"] = "LVIS mask AP, rare"
    shown |= {"cityscapes_ap": "Cityscapes AP", "cityscapes_ap50": "Cityscapes AP50"}
    shown |= {"pq": "panoptic quality", "pq_things": "PQ of things", "pq_stuff": "PQ of stuff"}
    shown["semantic_iou"] = "mean IoU"
    assert table.labels() == shown
    assert list(table.labels()) == list(shown)


def test_what_a_kind_of_the_table_shows_is_among_its_measures():
    for kind in table.METRICS.values():
        template = KeypointTemplate(names=("nose",))
        known = {"fields": {"keypoints": Keypoints(template)}} if kind.uses_fields else {}
        known |= {"maps": {"semantic": SemanticRules(("sky",))}} if kind.needs_maps else {}
        measured = kind.make(("bg", "a"), max_detections=1, class_facts={}, **known).result()
        assert {*kind.columns, *kind.validated} <= measured.keys()
        assert set(kind.monitored) <= kind.validated.keys()


def test_kinds_for_refuses_a_measure_with_a_name_of_the_results(monkeypatch):
    monkeypatch.setitem(table.METRICS, "mine", MetricKind(None, columns=("images",), needs=("keypoints",)))
    assert table.kinds_for(()) == (table.METRICS["coco"], table.METRICS["boundary"])
    with pytest.raises(ValueError, match=r"^a metric has a measure named 'images', which the results have already"):
        table.kinds_for(["keypoints"])


def test_lower_is_better_is_said_by_the_kind(monkeypatch):
    assert table.lower_is_better() == set()
    kind = MetricKind(None, validated={"error": "error", "gain": "gain"}, lower_is_better=("error",))
    monkeypatch.setitem(table.METRICS, "mine", kind)
    assert table.lower_is_better() == {"error"}


def test_without_masks_leaves_out_the_measures_of_masks(keypoints):
    coco, _, other = table.without_masks(table.kinds_for(["keypoints"]))
    assert coco.validated == {"box_ap": "box AP", "box_ap50": "box AP50"}
    assert coco.monitored == ("box_ap",)
    assert other == keypoints
    assert table.without_masks([]) == ()
