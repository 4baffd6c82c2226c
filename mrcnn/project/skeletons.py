"""Shapes made of points and connections: lines, points, graphs and both kinds of cuboid.

Lines, points and graphs have no area (`THIN_SHAPES`). They are drawn one pixel wide as in the original, a graph by its
nodes only. A cuboid is drawn filled, as the part of the image that it covers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np

from mrcnn.errors import UserError
from mrcnn.project import drawing, outlines
from mrcnn.project.shape import Geometry, read_exterior, read_points

THIN_SHAPES = ("point", "line", "graph")
# a figure of such a shape holds keypoints, or labelled points, of an object that also has a figure of another shape
KEYPOINT_SHAPES = frozenset({"graph", "point"})
CORNERS_2D = tuple(
    f"face{face}-{corner}" for face in (1, 2) for corner in ("topleft", "topright", "bottomright", "bottomleft")
)


@dataclass(frozen=True, eq=False)
class Line(Geometry):
    """A chain of points `[n, 2]`, xy pixels."""

    points: np.ndarray
    shape = "line"

    def __post_init__(self):
        """Converts the points to an array; any sequence is accepted."""
        object.__setattr__(self, "points", np.asarray(self.points))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Line":
        """Reads `points.exterior`."""
        return cls(read_exterior(data.get("points")))

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws the chain one pixel wide; see `Geometry`."""
        pixels = drawing.onto_last(drawing.floor(self.points), height=height, width=width)

        def draw(canvas: np.ndarray, offset: tuple[int, int]) -> None:
            outlines.check_length(canvas, pixels, offset)
            moved = pixels + np.array(offset, np.int32)
            cv2.polylines(canvas, [np.vstack((moved, moved[-1:]))], False, 1)  # OpenCV draws no chain of one point

        return drawing.draw_inside(pixels, draw, height=height, width=width)

    def to_json(self) -> dict[str, Any]:
        """Writes `points: {exterior, interior}`."""
        return {"points": {"exterior": self.points.tolist(), "interior": []}}


class Point(Line):
    """One pixel; `points` is `[1, 2]`."""

    shape = "point"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Point":
        """Reads `points.exterior` of one point."""
        points = read_exterior(data.get("points"))
        if len(points) != 1:
            raise UserError(f"a point needs exactly 1 point in `exterior`, got {len(points)}")
        return cls(points)


@dataclass(frozen=True, eq=False)
class Graph(Geometry):
    """Named nodes, each drawn as one pixel unless it is `disabled`.

    The edges between them are not part of the object but of its class.
    """

    nodes: Mapping[str, Any]
    shape = "graph"
    key: ClassVar[str] = "nodes"

    def __post_init__(self):
        """Checks the nodes; raises `UserError` where one has no `loc`."""
        nodes = self.nodes
        if not isinstance(nodes, Mapping) or not all(isinstance(node, Mapping) for node in nodes.values()):
            raise UserError(f"an object of shape {self.shape} needs an object `{self.key}` of nodes with a `loc`")
        self.locations()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Graph":
        """Reads `nodes: {id: {loc: [x, y], disabled?}}`."""
        return cls(data.get(cls.key))  # type: ignore[arg-type]

    def locations(self) -> np.ndarray:
        """Reads the positions of all nodes, disabled ones included: `[n, 2]` xy pixels."""
        return read_points([node.get("loc") for node in self.nodes.values()], what=f"{self.key}.loc")

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws the nodes that are not disabled; see `Geometry`."""
        pairs = zip(self.nodes.values(), self.locations(), strict=True)
        shown = [Point(location[None]) for node, location in pairs if not node.get("disabled")]
        return drawing.union([point.to_mask(height, width) for point in shown])

    def to_json(self) -> dict[str, Any]:
        """Writes the nodes as they were read."""
        return {self.key: self.nodes}


class Cuboid2d(Graph):
    """A 3D box by its 8 corners projected into the image, named as in `CORNERS_2D`."""

    shape = "cuboid_2d"
    key = "vertices"

    def __post_init__(self):
        """Checks the corners; raises `UserError` where one is missing."""
        super().__post_init__()
        missing = [name for name in CORNERS_2D if name not in self.nodes]
        if missing:
            raise UserError(f"`vertices` of a cuboid_2d must name its 8 corners, {', '.join(missing)} is missing")

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Fills the convex hull of the corners; see `Geometry`."""
        hull = cv2.convexHull(drawing.floor(self.locations()))[:, 0]
        return drawing.fill(hull, height=height, width=width)


@dataclass(frozen=True, eq=False)
class Cuboid(Geometry):
    """The older form of a cuboid.

    Attributes:
        points: `[n, 2]`, xy pixels.
        faces: for each face the indices of its points.
    """

    points: np.ndarray
    faces: tuple[tuple[int, ...], ...]
    shape = "cuboid"

    def __post_init__(self):
        """Converts the points to an array; any sequence is accepted."""
        object.__setattr__(self, "points", np.asarray(self.points))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Cuboid":
        """Reads `points: [[x, y], …]` and `faces: [[index, …], …]`."""
        points, faces = read_points(data.get("points"), what="points"), data.get("faces")
        try:
            checked = tuple(tuple(range(len(points))[index] for index in face) for face in faces)  # type: ignore[union-attr]
            if not all(checked):
                raise IndexError("a face without points")
        except (TypeError, IndexError) as error:
            raise UserError(f"a cuboid's `faces` must be lists of indices of its points, got {faces!r:.80}") from error
        return cls(points, checked)

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Fills the faces; see `Geometry`."""
        return drawing.union([drawing.fill(self.points[list(face)], height=height, width=width) for face in self.faces])

    def to_json(self) -> dict[str, Any]:
        """Writes `points` and `faces`."""
        return {"points": self.points.tolist(), "faces": [list(face) for face in self.faces]}
