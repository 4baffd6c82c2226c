"""The items of `annotations`; what a whole file does with them is in `test_file.py` and `test_boxes.py`."""

from mrcnn.data.coco import annotations
from mrcnn.data.tally import Tally
from tests.data.coco import cases


def read(*items, boxes_count=False):
    tally = Tally()
    found = annotations.read(
        cases.content(*items), {"1": "cat"}, names={"1": "a.png"}, fields={"cat": {}}, boxes_count=boxes_count,
        tally=tally,
    )  # fmt: skip
    return found, tally


def test_read_has_every_image_and_its_objects_in_order():
    found, tally = read(cases.annotation(8, image_id=1), cases.annotation(3, image_id="1", iscrowd="true"))
    assert [(item.name, item.is_crowd, item.category) for item in found["a.png"]] == [
        ("annotation 8", False, "cat"),
        ("annotation 3", True, "cat"),
    ]
    assert not tally.counts
    assert annotations.read(
        {"annotations": [], "images": []}, {}, names={"1": "a.png"}, fields={}, boxes_count=True, tally=tally
    ) == {"a.png": []}


def test_read_counts_what_it_leaves_out():
    broken = (
        3,
        cases.annotation(1, category_id=2),
        cases.annotation(2),  # its image is left out
        cases.annotation(7),  # no image of the file
        cases.annotation(1, iscrowd=2),
    )
    found, tally = read(*broken)
    assert found == {"a.png": []}
    assert tally.counts == {
        annotations.NO_OBJECT: 1,
        annotations.NO_CATEGORY: 1,
        annotations.IMAGE_GONE: 1,
        annotations.NO_IMAGE: 1,
        annotations.BAD_CROWD: 1,
    }


def test_read_has_corners_where_boxes_count():
    box = cases.annotation(1, segmentation=None, bbox=[1, 2, 3, 4])
    assert read(box)[0]["a.png"][0].corners is None
    assert read(box, boxes_count=True)[0]["a.png"][0].corners == ((1, 2), (3, 5))
