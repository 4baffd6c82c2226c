"""Checks what each shape covers, and that its JSON survives."""

import base64
import math
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mrcnn.errors import UserError
from mrcnn.project import geometry, skeletons
from mrcnn.project.geometry import Bitmap, MultiPolygon, Polygon, Rectangle

HEIGHT, WIDTH = 12, 20
RING = [[2, 2], [12, 2], [12, 9], [7, 14], [2, 9]]


def _canvas(item, height=HEIGHT, width=WIDTH):
    """Puts what `to_mask` gives onto the whole image, after checking that it is tight and inside."""
    canvas = np.zeros((height, width), bool)
    drawn = item.to_mask(height, width)
    if drawn is not None:
        mask, (y, x) = drawn
        assert mask.dtype == bool
        assert all(side.any() for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
        assert 0 <= y <= height - mask.shape[0]
        assert 0 <= x <= width - mask.shape[1]
        canvas[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return canvas


def _points(exterior, interior=()):
    return {"points": {"exterior": exterior, "interior": list(interior)}}


rings = st.lists(st.tuples(st.integers(-8, WIDTH + 8), st.integers(-8, HEIGHT + 8)), min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(rings, st.lists(rings, max_size=2))
def test_polygon_equals_one_drawn_on_the_whole_image(exterior, interior):
    reference = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(reference, [np.array(exterior, np.int32)], 1)
    for hole in interior:
        cv2.fillPoly(reference, [np.array(hole, np.int32)], 0)
    drawn = _canvas(Polygon(exterior, interior))
    np.testing.assert_array_equal(drawn, reference.astype(bool))


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=15)),
    st.integers(-20, WIDTH + 5),
    st.integers(-20, HEIGHT + 5),
)
def test_bitmap_is_cropped_to_the_image(mask, x, y):
    reference = np.zeros((HEIGHT + 80, WIDTH + 80), bool)
    reference[y + 40 : y + 40 + mask.shape[0], x + 40 : x + 40 + mask.shape[1]] = mask
    drawn = _canvas(Bitmap((x, y), mask))
    np.testing.assert_array_equal(drawn, reference[40 : 40 + HEIGHT, 40 : 40 + WIDTH])


def test_polygon_covers_its_outline():
    # The same house as the COCO case below: rows 2..9 are 11 wide (2..12, both ends), then 9, 7, 5, 3, 1.
    drawn = _canvas(Polygon(RING), 20, 20)
    assert drawn.sum(axis=1).tolist() == [0] * 2 + [11] * 8 + [9, 7, 5, 3, 1] + [0] * 5


def test_polygon_is_coco_s_and_at_most_a_pixel_more():
    # Source: reference case "polygon_rasterise", drawn by pycocotools, whose polygons end at the outline: rows 2..8 are
    # columns 2..11, then 3..10, 4..9, 5..8, 6..7.
    coco = np.zeros((20, 20), bool)
    coco[2:9, 2:12] = coco[9, 3:11] = coco[10, 4:10] = coco[11, 5:9] = coco[12, 6:8] = True
    ours = _canvas(Polygon(RING), 20, 20)
    assert (coco & ~ours).sum() == 0
    assert (ours & ~cv2.dilate(coco.astype(np.uint8), np.ones((3, 3))).astype(bool)).sum() == 1  # the tip (7, 14)
    assert (ours.sum(), coco.sum()) == (8 * 11 + 9 + 7 + 5 + 3 + 1, 7 * 10 + 8 + 6 + 4 + 2)


def test_polygon_hole_takes_its_outline_away():
    square, hole = [[0, 0], [6, 0], [6, 6], [0, 6]], [[2, 2], [4, 2], [4, 4], [2, 4]]
    drawn = _canvas(Polygon(square, (hole,)))
    assert drawn.sum() == 7 * 7 - 3 * 3
    assert not drawn[2:5, 2:5].any()


def test_polygon_holes_that_overlap_stay_holes():
    square = [[0, 0], [9, 0], [9, 9], [0, 9]]
    hole = [[2, 2], [4, 2], [4, 4], [2, 4]]
    assert _canvas(Polygon(square, (hole, hole))).sum() == 100 - 9


def test_polygon_cut_in_two_by_the_border_is_one_object():
    u_shape = [[-5, 1], [5, 1], [5, 3], [-2, 3], [-2, 6], [5, 6], [5, 8], [-5, 8]]
    mask, corner = Polygon(u_shape).to_mask(HEIGHT, WIDTH)
    assert corner == (1, 0)
    assert mask.any(axis=1).tolist() == [True, True, True, False, False, True, True, True]


def test_from_json_floats_are_floored():
    item = geometry.from_json("polygon", _points([[1.9, 1.9], [4.99, 1.0], [4.2, 3.7], [1.0, 3.0]]))
    drawn = _canvas(item)
    assert drawn[1:4, 1:5].all()
    assert drawn.sum() == 12


def test_polygon_far_points_neither_crash_nor_allocate():
    item = Polygon([[-1e12, -1e12], [1e12, -1e12], [1e12, 1e12], [-1e12, 1e12]])
    assert _canvas(item).all()


@pytest.mark.parametrize("corners", [[[3, 2], [5, 6]], [[5, 6], [3, 2]], [[5, 2], [3, 6]]])
def test_rectangle_includes_right_and_bottom_from_any_two_corners(corners):
    mask, corner = geometry.from_json("rectangle", _points(corners)).to_mask(HEIGHT, WIDTH)
    assert (mask.shape, corner) == ((5, 3), (2, 3))  # rows 2..6, columns 3..5
    assert mask.all()


def test_rectangle_that_ends_at_the_image_size_is_exclusive():
    mask, corner = Rectangle([[18, 10], [WIDTH, HEIGHT]]).to_mask(HEIGHT, WIDTH)
    assert (mask.shape, corner) == ((2, 2), (10, 18))


def _turned(corners, angle):
    return geometry.from_json("oriented_bbox", {"points": corners, "angle": angle})


@pytest.mark.parametrize("angle", [0, math.pi, -2 * math.pi])
@pytest.mark.parametrize("corners", [[[3, 2], [6, 8]], [[6.9, 8.2], [3.5, 2]], [[6, 2], [3, 8]]])
def test_oriented_box_turned_by_nothing_or_half_a_circle_is_a_rectangle(corners, angle):
    np.testing.assert_array_equal(_canvas(_turned(corners, angle)), _canvas(Rectangle([[3, 2], [6, 8]])))


def test_oriented_box_turns_clockwise_about_its_centre():
    # Columns 4..10 and rows 5..7 about (7, 6): a quarter of a circle makes columns 6..8 and rows 3..9.
    quarter = np.zeros((HEIGHT, WIDTH), bool)
    quarter[3:10, 6:9] = True
    np.testing.assert_array_equal(_canvas(_turned([[4, 5], [10, 7]], math.pi / 2)), quarter)
    # An eighth: the right end (10, 6) goes down to 7 + 3 cos 45° = 9.1, 6 + 3 sin 45° = 8.1; the left end goes up.
    eighth = _canvas(_turned([[4, 6], [10, 6]], math.pi / 4))
    assert np.argwhere(eighth).tolist() == [[row, row + 1] for row in range(4, 9)]


def test_oriented_box_may_leave_the_image():
    assert _canvas(_turned([[-9, -9], [40, 40]], 0.7)).all()
    assert _turned([[50, 50], [60, 60]], 0.7).to_mask(HEIGHT, WIDTH) is None


def test_multipolygon_is_one_object():
    square = [[0, 0], [1, 0], [1, 1], [0, 1]]
    far = [[[x + 8, y + 5] for x, y in square], square]
    item = geometry.from_json("multipolygon", {"parts": [{"exterior": ring, "interior": []} for ring in far]})
    mask, corner = item.to_mask(HEIGHT, WIDTH)
    assert (mask.shape, corner, mask.sum()) == ((7, 10), (0, 0), 8)


def test_alpha_mask_counts_half_opaque_pixels():
    _, png = cv2.imencode(".png", np.array([[0, 127, 128, 255]], np.uint8))
    data = base64.b64encode(zlib.compress(png.tobytes())).decode()
    item = geometry.from_json("alpha_mask", {"bitmap": {"origin": [5, 6], "data": data}})
    mask, corner = item.to_mask(HEIGHT, WIDTH)
    assert (mask.tolist(), corner) == ([[True, True]], (6, 7))


def test_unsupported_unknown_shape_draws_nothing():
    item = geometry.from_json("point_cloud", {"indices": [1]})
    assert item.shape == "point_cloud"
    assert item.to_mask(HEIGHT, WIDTH) is None
    assert (item.to_json(), geometry.json_keys("point_cloud")) == ({}, ())


def test_bitmap_drops_empty_borders_and_an_empty_one_draws_nothing():
    mask = np.zeros((4, 4), bool)
    assert Bitmap((1, 1), mask).to_mask(HEIGHT, WIDTH) is None
    mask[2, 3] = True
    drawn, corner = Bitmap((1, 1), mask).to_mask(HEIGHT, WIDTH)
    assert (drawn.tolist(), corner) == ([[True]], (3, 4))


def test_bitmap_from_canvas_is_cropped():
    canvas = np.zeros((HEIGHT, WIDTH), bool)
    canvas[3:5, 7] = True
    item = Bitmap.from_canvas(canvas)
    assert (item.origin_xy, item.mask.shape) == ((7, 3), (2, 1))
    np.testing.assert_array_equal(_canvas(item), canvas)
    with pytest.raises(UserError, match="at least one true pixel"):
        Bitmap.from_canvas(np.zeros((2, 2), bool))


BITMAP_JSON = Bitmap((3, 4), np.eye(3, dtype=bool)).to_json()
JSON_CASES = {
    "bitmap": BITMAP_JSON,
    "alpha_mask": BITMAP_JSON,
    "polygon": _points([[0.5, 1], [2, 3], [4, 0]], [[[1, 1], [2, 2], [1, 2]]]),
    "multipolygon": {"parts": [{"exterior": RING, "interior": []}, {"exterior": RING, "interior": [RING]}]},
    "rectangle": _points([[5, 6], [1, 2]]),
    "line": _points([[5, 6], [1.25, 2]]),
    "point": _points([[5, 6]]),
    "oriented_bbox": {"points": [[5, 6], [1.5, 2]], "angle": 0.25},
    "graph": {"nodes": {"a": {"loc": [1, 2], "disabled": True}}},
    "cuboid_2d": {"vertices": {name: {"loc": [n, 2 * n]} for n, name in enumerate(skeletons.CORNERS_2D)}},
    "cuboid": {"points": RING, "faces": [[0, 1, 2], [2, 3, 4]]},
}


@pytest.mark.parametrize("shape", JSON_CASES)
def test_from_json_json_survives_reading_and_writing(shape):
    item = geometry.from_json(shape, JSON_CASES[shape])
    assert item.shape == shape
    assert item.to_json() == JSON_CASES[shape]
    assert set(JSON_CASES[shape]) == set(geometry.json_keys(shape))


def test_to_json_records_take_plain_lists():
    assert Polygon([[0, 0], [1, 1]], [[[0, 0]]]).to_json() == _points([[0, 0], [1, 1]], [[[0, 0]]])
    assert Rectangle([[0, 0], [1, 1]]).to_json() == _points([[0, 0], [1, 1]])
    assert MultiPolygon((Polygon(RING),)).to_json() == {"parts": [{"exterior": RING, "interior": []}]}


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ("polygon", {}),
        ("polygon", {"points": None}),
        ("polygon", _points([])),
        ("polygon", _points([[1, 2], [3]])),
        ("polygon", _points([[1, 2, 3]])),
        ("polygon", _points([["1", "2"]])),
        ("polygon", _points([[None, 2]])),
        ("polygon", _points([[True, False]])),
        ("polygon", _points([[float("nan"), 2]])),
        ("polygon", _points([[float("inf"), 2]])),
        ("polygon", _points([[10**30, 2]])),
        ("polygon", {"points": {"exterior": RING, "interior": 3}}),
        ("polygon", {"points": {"exterior": RING, "interior": [3]}}),
        ("rectangle", _points([[1, 2]])),
        ("rectangle", _points(RING)),
        ("line", {}),
        ("point", {"points": []}),
        ("multipolygon", {"parts": []}),
        ("multipolygon", {"parts": [None]}),
        ("multipolygon", {}),
        ("bitmap", {"bitmap": None}),
        ("bitmap", {"bitmap": {"origin": [0, 0]}}),
        ("bitmap", {"bitmap": {**BITMAP_JSON["bitmap"], "origin": None}}),
        ("bitmap", {"bitmap": {**BITMAP_JSON["bitmap"], "origin": [1]}}),
        ("bitmap", {"bitmap": {**BITMAP_JSON["bitmap"], "data": "????"}}),
        ("alpha_mask", {"bitmap": {**BITMAP_JSON["bitmap"], "data": 3}}),
        ("graph", {"nodes": []}),
        ("graph", {"nodes": {}}),
        ("graph", {"nodes": {"a": {}}}),
        ("graph", {"nodes": {"a": 1}}),
        ("point", _points([[1, 2], [3, 4]])),
        ("oriented_bbox", _points([[1, 2], [3, 4]])),
        ("oriented_bbox", {"points": RING, "angle": 0}),
        ("oriented_bbox", {"points": [[1, 2], [3, 4]]}),
        ("oriented_bbox", {"points": [[1, 2], [3, 4]], "angle": "0"}),
        ("oriented_bbox", {"points": [[1, 2], [3, 4]], "angle": True}),
        ("oriented_bbox", {"points": [[1, 2], [3, 4]], "angle": float("nan")}),
        ("oriented_bbox", {"points": [[1, 2], [3, 4]], "angle": 10**400}),
        ("cuboid_2d", {"vertices": {}}),
        ("cuboid_2d", {"vertices": {"face1-topleft": {"loc": [1, 2]}}}),
        ("cuboid", {"points": RING}),
        ("cuboid", {"points": RING, "faces": [[0, 9]]}),
        ("cuboid", {"points": RING, "faces": [["a"]]}),
        ("cuboid", {"points": RING, "faces": [[]]}),
    ],
)
def test_from_json_malformed_json_is_one_line(shape, data):
    with pytest.raises(UserError) as caught:
        geometry.from_json(shape, data)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_to_mask_the_document_says_what_each_shape_becomes():
    page = (Path(__file__).parents[2] / "docs" / "projects.md").read_text()
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(JSON_CASES)
    assert all(geometry.json_keys(shape) for shape in rows)
