"""Names of wrong files."""

import pytest

from mrcnn.data.coco import kinds

BOX = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.9}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"_via_settings": {}, "_via_img_metadata": {}}, "VIA"),
        ({"a.jpg123": {"filename": "a.jpg", "regions": []}}, "VIA"),
        ({"version": "5.0", "flags": {}, "shapes": [], "imagePath": "a.jpg"}, "labelme"),
        ({"images": [], "annotations": [{"segments_info": []}], "categories": []}, "panoptic"),
        ({"images": [], "annotations": [{"caption": "a cat"}]}, "captions"),
        ({"images": [], "categories": []}, "without annotations"),
        ({"objects": [], "size": {}}, "Supervisely annotation"),
        ({"classes": [], "tags": []}, "meta.json"),
        ({"items": [], "categories": {}}, "Datumaro"),
        ({"type": "FeatureCollection", "features": []}, "GeoJSON"),
        ([BOX], "results list"),
        ([{"id": 1, "data": {"image": "a"}, "annotations": []}], "Label Studio"),
        ([{"image": "a.jpg", "annotations": []}], "CreateML"),
        ([{"name": "a.jpg", "labels": []}], "BDD100K"),
    ],
)
def test_advice_for_and_kind_of(content, name):
    kind = kinds.kind_of(content)
    assert name in kind
    assert len(kinds.advice_for(kind)) > 20


@pytest.mark.parametrize(
    "content",
    [
        None,
        3,
        "x",
        [],
        [3],
        {},
        {"images": [], "annotations": [{"segmentation": [], "caption": "x"}], "categories": []},
    ],
)
def test_kind_of_others_is_none(content):
    assert kinds.kind_of(content) is None


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"train: ../train/images\nnc: 2\nnames: [cat, dog]\n", "YOLO data set"),
        (b"path: x\nnames:\n  0: cat\n", "YOLO data set"),
        (b"0 0.5 0.5 0.1 0.1\n1 0.2 0.2 0.1 0.1\n", "YOLO label"),
        (b"<?xml version='1.0'?><annotation/>", "XML"),
        (b"\xef\xbb\xbf<annotations>", "XML"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"\x1f\x8b\x08rest", "gzip"),
        (b'{"a": 1}\n{"a": 2}\n', "JSON lines"),
    ],
)
def test_kind_of_bytes(data, name):
    assert name in kinds.kind_of_bytes(data)


@pytest.mark.parametrize("data", [b"", b"{", b'{"a": 1', b"\xff\xfe\x00", b"1 2"])
def test_kind_of_other_bytes_is_none(data):
    assert kinds.kind_of_bytes(data) is None
