"""The objects of an image: outlines, masks, boxes, tags, and what is left out."""

import math

import numpy as np
import pytest

from mrcnn.data.coco import masks
from mrcnn.data.formats import objects as module
from mrcnn.data.formats.objects import Facts, ObjectList
from mrcnn.data.formats.record import Job
from tests.data.formats import making
from tests.data.formats.making import HEIGHT, WIDTH

RING = np.ravel(making.SQUARE).tolist()


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


@pytest.fixture
def found(job):
    return ObjectList(job, "a.json", (HEIGHT, WIDTH))


def test_add_outline_covers_the_pixels_of_coco(found):
    found.add_outline(Facts("cat", 0), [RING])
    found.add_outline(Facts("cat", 1), [RING, [30, 20, 34, 20, 34, 22, 30, 22]])  # two parts
    np.testing.assert_array_equal(making.drawn(found.labels[0]), making.square())
    assert making.drawn(found.labels[1]).sum() == 10 * 10 + 4 * 2
    assert found.lost == 0


def test_add_outline_leaves_out_what_cannot_be_drawn(found, job):
    for number, ring in enumerate([[1, 2, 3, 4], [math.nan] * 6, [70, 2, 80, 2, 80, 9], []]):
        found.add_outline(Facts("cat", number), [ring])
    assert (found.labels, found.lost, job.report.lost) == ((), 4, {"cat": 4})
    lines = job.report.tally.lines()
    assert "2 objects left out, the outline has invalid coordinates: a.json object 0 (fewer than 3 points" in lines[0]
    assert "a.json object 1 (one is no finite number)" in lines[0]
    assert lines[1:] == [
        "1 object left out, the mask covers no pixel of the image: a.json object 2",
        "1 object left out, no mask: a.json object 3",
    ]


def test_add_outline_notes_a_part_that_is_too_short(found, job):
    found.add_outline(Facts("cat", 0), [RING, [1, 2, 3, 4]])
    assert making.drawn(found.labels[0]).sum() == 100
    assert job.report.tally.lines() == [f"1 {masks.SHORT_PART}: a.json object 0"]


def test_add_mask_keeps_holes_and_cuts_at_the_image(found):
    mask = np.ones((6, 6), bool)
    mask[2:4, 2:4] = False
    found.add_mask(Facts("cat", 0), mask, (3, 4))
    found.add_mask(Facts("cat", 1), mask, (-4, HEIGHT - 2))  # its right two columns, upper two rows
    canvas = np.zeros((HEIGHT, WIDTH), bool)
    canvas[4:10, 3:9] = mask
    np.testing.assert_array_equal(making.drawn(found.labels[0]), canvas)
    corner = making.drawn(found.labels[1])
    assert (corner.sum(), corner[HEIGHT - 2 :, :2].all()) == (4, True)


def test_add_mask_without_a_pixel_in_the_image(found, job):
    found.add_mask(Facts("cat", 0), np.zeros((3, 3), bool))
    found.add_mask(Facts("cat", 1), np.ones((3, 3), bool), (WIDTH, 0))
    assert (found.labels, job.report.tally.counts["object left out, the mask covers no pixel of the image"]) == ((), 2)


def test_mask_runs_of_a_full_height_mask_and_of_none():
    starts, ends = module.mask_runs(np.ones((3, 2), bool), (1, 0), size_hw=(3, 4))
    assert (starts.tolist(), ends.tolist()) == ([3, 6], [6, 9])  # columns 1 and 2 of three rows each
    assert len(module.mask_runs(np.zeros((0, 0), bool), (0, 0), size_hw=(3, 4))[0]) == 0


def test_add_box_only_where_boxes_become_masks(found, job, tmp_path):
    ring = module.box_ring((10, 5), (20, 15))
    found.add_box(Facts("cat", 0), ring)
    assert job.report.tally.lines() == [
        "1 object left out, a box without a mask (--boxes-as-masks takes the whole box): a.json object 0"
    ]
    taking = ObjectList(Job(tmp_path, boxes_as_masks=True), "a.json", (HEIGHT, WIDTH))
    taking.add_box(Facts("cat", 0), ring)
    np.testing.assert_array_equal(making.drawn(taking.labels[0]), making.square())


@pytest.mark.parametrize("title", [None, "", "  ", 3, ["cat"], "\ud83d"])
def test_lose_an_object_without_a_class(found, job, title):
    found.add_outline(Facts(title, 7), [RING])
    assert found.labels == ()
    assert job.report.tally.lines()[0].startswith("1 object left out, no class: a.json object 7 (")


def test_labels_have_tags_a_group_and_further_keys(found):
    attributes = {"color": "red", "count": 3, "hidden": True, "old": False, "none": None, "": "x", "list": []}
    found.add_outline(Facts("cat", 0, attributes, "group 1", is_crowd=True, extra={"sourceId": "a"}), [RING])
    label = found.labels[0]
    assert [(tag.name, tag.value) for tag in label.tags] == [
        ("iscrowd", None),
        ("color", "red"),
        ("count", "3"),
        ("hidden", None),
    ]
    assert (label.instance, label.extra["sourceId"]) == ("group 1", "a")


def test_lose_counts_objects_beyond_the_limit_of_an_image(found, job, monkeypatch):
    monkeypatch.setattr(module, "MOST_DRAWN", 99)  # the first square has 100 pixels
    for number in range(3):
        found.add_outline(Facts("cat", number), [RING])
    assert (len(found.labels), found.lost) == (1, 2)


def test_note_names_the_object(found, job):
    found.note(Facts("cat", 4), "object with a twist", "left")
    assert job.report.tally.lines() == ["1 object with a twist: a.json object 4 (left)"]


def test_turned_box_about_its_corner_and_centre():
    corner = module.turned_box(10, 5, width=4, height=2, degrees=90, about_centre=False)
    # clockwise on the screen: the upper edge points down from (10, 5), the left edge to the left
    np.testing.assert_allclose(corner, [10, 5, 10, 9, 8, 9, 8, 5], atol=1e-9)
    centre = module.turned_box(10, 5, width=4, height=2, degrees=90, about_centre=True)
    np.testing.assert_allclose(centre, [13, 4, 13, 8, 11, 8, 11, 4], atol=1e-9)  # about (12, 6)


def test_ellipse_ring_lies_on_the_ellipse():
    ring = np.array(module.ellipse_ring(5, 7, radius_x=3, radius_y=2)).reshape(-1, 2) - (5, 7)
    np.testing.assert_allclose((ring[:, 0] / 3) ** 2 + (ring[:, 1] / 2) ** 2, 1)
    turned = np.array(module.ellipse_ring(0, 0, radius_x=3, radius_y=2, degrees=90)).reshape(-1, 2)
    np.testing.assert_allclose(turned[0], (0, 3), atol=1e-9)  # the point at the right is at the bottom


def test_tags_of_nothing():
    assert module.tags_of({}) == ()
