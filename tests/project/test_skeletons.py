"""Checks what lines, points, graphs and cuboids cover."""

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.project.skeletons import CORNERS_2D, Cuboid, Cuboid2d, Graph, Line, Point

HEIGHT, WIDTH = 12, 20


def _pixels(item):
    """Lists the (y, x) of all pixels the item covers."""
    drawn = item.to_mask(HEIGHT, WIDTH)
    return [] if drawn is None else (np.argwhere(drawn[0]) + drawn[1]).tolist()


def _points(*points):
    return {"points": {"exterior": points, "interior": []}}


def test_a_line_is_one_pixel_wide():
    assert len(_pixels(Line.from_json(_points([1, 1], [5, 1], [5, 4])))) == 8
    assert _pixels(Line.from_json(_points([-4, 3], [40, 3]))) == [[3, x] for x in range(WIDTH)]


def test_a_point_is_one_pixel():
    assert _pixels(Point.from_json(_points([3, 2]))) == [[2, 3]]
    assert _pixels(Point.from_json(_points([3.9, 2.9]))) == [[2, 3]]
    assert _pixels(Point.from_json(_points([30, 2]))) == []


def test_line_the_end_of_a_raw_export_is_the_last_pixel():
    assert _pixels(Point([[WIDTH, HEIGHT]])) == [[HEIGHT - 1, WIDTH - 1]]
    assert _pixels(Point([[WIDTH + 1, HEIGHT]])) == []
    assert _pixels(Line([[WIDTH, 2], [WIDTH, 4]])) == [[y, WIDTH - 1] for y in (2, 3, 4)]


def test_a_graph_is_its_nodes_without_the_disabled_ones():
    nodes = {"a": {"loc": [1, 2]}, "b": {"loc": [4, 2], "disabled": False}, "c": {"loc": [6, 2], "disabled": True}}
    assert _pixels(Graph.from_json({"nodes": nodes})) == [[2, 1], [2, 4]]
    assert _pixels(Graph({"c": nodes["c"]})) == []


def test_the_old_cuboid_fills_its_faces():
    corners = [[1, 3], [5, 3], [5, 7], [1, 7], [3, 1], [7, 1], [7, 5]]
    mask, corner = Cuboid(corners, ((0, 1, 2, 3), (0, 4, 5, 1), (1, 5, 6, 2))).to_mask(HEIGHT, WIDTH)
    assert (mask.shape, corner) == ((7, 7), (1, 1))  # rows 1..7, columns 1..7
    assert all(part.all() for part in (mask[2:, :5], mask[0, 2:], mask[:5, 6]))
    assert not mask[[6, 0], [5, 0]].any()


def test_cuboid2d_new_cuboid_is_what_its_box_covers():
    # Front: columns 2..6 of rows 4..8; back: the same moved by (4, -3). The hull leaves out two triangles of the box
    # rows 1..8, columns 2..10: above the edge (2, 4)-(6, 1), and below (6, 8)-(10, 5).
    front = [(2, 4), (6, 4), (6, 8), (2, 8)]
    corners = front + [(x + 4, y - 3) for x, y in front]
    item = Cuboid2d.from_json({"vertices": dict(zip(CORNERS_2D, ({"loc": corner} for corner in corners), strict=True))})
    mask, corner = item.to_mask(HEIGHT, WIDTH)
    assert (mask.shape, corner) == ((8, 9), (1, 2))
    assert mask.any(axis=1).all()
    assert mask[3:8, :5].all()  # the front
    assert mask[:5, 4:].all()  # the back
    assert not mask[0, :3].any()
    assert not mask[7, 6:].any()


def test_cuboid2d_new_cuboid_needs_all_its_corners():
    vertices = {name: {"loc": [0, 0]} for name in CORNERS_2D[:-1]}
    with pytest.raises(UserError, match="face2-bottomleft is missing"):
        Cuboid2d.from_json({"vertices": vertices})
