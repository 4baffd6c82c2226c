"""The shapes an annotated object can have, read from JSON, drawn inside their own box, and written back.

Coordinates are [x, y] in pixels and kept as read; drawing floors them, as the platform does on download.
Pixels: a polygon covers its outline too (`cv2.fillPoly` on whole pixel positions, the original's convention, not
COCO's), a rectangle includes its right and bottom, a line and a point are one pixel wide.
Source: Supervisely annotation format; newer shapes as of its 2024-2026 releases.
One deliberate difference: a polygon that leaves the image in between stays one object.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from mrcnn.events import UserError
from mrcnn.project import bitmap, drawing


class Geometry(ABC):
    """What all shapes can do; `shape` is the name they have in JSON."""

    shape: str

    @abstractmethod
    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws the object where it lies inside an image of that size.

        Returns:
            `[h, w]` bool, cropped so that each border row and column has a true pixel, and its (y1, x1) in the image;
            None when no pixel of the object is inside.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Gives the geometry's part of the object's JSON."""


class Bitmap(Geometry):
    """A mask and where its first pixel lies; held in its encoded form, which is small and written back unchanged.

    Attributes:
        origin_xy: column and row of the mask's first pixel in the image.
        data: the encoded mask.
    """

    shape = "bitmap"

    def __init__(self, origin_xy: Sequence[float], mask: np.ndarray | None = None, *, data: str | None = None):
        """Takes either a `[h, w]` mask or its encoded form.

        Raises:
            UserError: the mask has no pixel, or the data cannot be decoded.
        """
        x, y = drawing.floor(np.asarray(origin_xy)).tolist()
        self.origin_xy = (x, y)
        if data is None:
            self.data = bitmap.encode(np.asarray(mask))
        else:
            self.data = data
            self.mask  # noqa: B018 - a mask that cannot be decoded must be known when it is read

    @classmethod
    def from_canvas(cls, mask: np.ndarray) -> "Bitmap":
        """Crops a mask of the whole image to its box.

        Args:
            mask: `[height, width]` bool.

        Raises:
            UserError: no pixel is true.
        """
        cropped = drawing.tight(mask, 0, 0)
        if cropped is None:
            raise UserError("a bitmap must have at least one true pixel")
        return cls(cropped[1][::-1], cropped[0])

    @property
    def mask(self) -> np.ndarray:
        """The mask as stored, `[h, w]` bool, decoded anew each time."""
        return bitmap.decode(self.data)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Bitmap":
        """Reads `bitmap: {origin, data}`."""
        content = data.get("bitmap")
        if not isinstance(content, Mapping) or not isinstance(content.get("data"), str):
            raise UserError(f"an object of shape {cls.shape} needs `bitmap` with a text `data` and an `origin`")
        return cls(_points([content.get("origin")], what="bitmap.origin")[0], data=content["data"])

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Crops the mask to the image; see `Geometry`."""
        mask, (x, y) = self.mask, self.origin_xy
        top, left = max(0, -y), max(0, -x)
        return drawing.tight(mask[top : max(0, height - y), left : max(0, width - x)], y + top, x + left)

    def to_json(self) -> dict[str, Any]:
        """Gives `bitmap: {origin, data}`."""
        return {"bitmap": {"data": self.data, "origin": list(self.origin_xy)}}


class AlphaMask(Bitmap):
    """A soft mask of which the pixels at least half opaque count."""

    shape = "alpha_mask"

    def __init__(self, origin_xy: Sequence[float], *, data: str):
        """Takes the encoded 8-bit mask."""
        super().__init__(origin_xy, data=data)

    @property
    def mask(self) -> np.ndarray:
        """Where the mask is at least half opaque, `[h, w]` bool."""
        return bitmap.decode_alpha(self.data)


@dataclass(frozen=True, eq=False)
class Polygon(Geometry):
    """An outline `[n, 2]` and the outlines of its holes, xy pixels."""

    exterior: np.ndarray
    interior: tuple[np.ndarray, ...] = ()
    shape = "polygon"

    def __post_init__(self):
        """Takes any sequence of points."""
        object.__setattr__(self, "exterior", np.asarray(self.exterior))
        object.__setattr__(self, "interior", tuple(map(np.asarray, self.interior)))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Polygon":
        """Reads `points: {exterior, interior}`; a ring of one or two points is drawn as the point or line it is."""
        return cls._from_rings(data.get("points"))

    @classmethod
    def _from_rings(cls, rings: Any) -> "Polygon":
        exterior, interior = _exterior(rings), rings.get("interior") or []
        if not isinstance(interior, list):
            raise UserError(f"`interior` must be a list of rings, got {interior!r:.80}")
        return cls(exterior, tuple(_points(ring, what="interior") for ring in interior if ring))

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Fills the outline and cuts the holes, with their outlines; see `Geometry`."""

        def draw(canvas: np.ndarray, offset: tuple[int, int]) -> None:
            cv2.fillPoly(canvas, [drawing.floor(self.exterior)], 1, offset=offset)
            for hole in self.interior:
                cv2.fillPoly(canvas, [drawing.floor(hole)], 0, offset=offset)

        # The box of all rings: OpenCV moves a line by up to a pixel where it cuts it off at the canvas.
        outline = np.concatenate((self.exterior, *self.interior))
        return drawing.draw_inside(outline, draw, height=height, width=width)

    def to_json(self) -> dict[str, Any]:
        """Gives `points: {exterior, interior}`."""
        return {"points": self._rings()}

    def _rings(self) -> dict[str, Any]:
        return {"exterior": self.exterior.tolist(), "interior": [ring.tolist() for ring in self.interior]}


@dataclass(frozen=True, eq=False)
class MultiPolygon(Geometry):
    """Several polygons that are one object."""

    parts: tuple[Polygon, ...]
    shape = "multipolygon"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "MultiPolygon":
        """Reads `parts: [{exterior, interior}, …]`."""
        parts = data.get("parts")
        if not isinstance(parts, list) or not parts:
            raise UserError("an object of shape multipolygon needs a list `parts` with at least one polygon")
        return cls(tuple(map(Polygon._from_rings, parts)))

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws all parts onto one mask; see `Geometry`."""
        return drawing.union([part.to_mask(height, width) for part in self.parts])

    def to_json(self) -> dict[str, Any]:
        """Gives `parts`."""
        return {"parts": [part._rings() for part in self.parts]}


@dataclass(frozen=True, eq=False)
class Rectangle(Geometry):
    """Any two opposite corners `[2, 2]`, xy pixels, both inside the rectangle."""

    corners: np.ndarray
    shape = "rectangle"

    def __post_init__(self):
        """Takes any sequence of points."""
        object.__setattr__(self, "corners", np.asarray(self.corners))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Rectangle":
        """Reads `points.exterior` of two points."""
        corners = _exterior(data.get("points"))
        if len(corners) != 2:
            raise UserError(f"a rectangle needs exactly 2 points in `exterior`, got {len(corners)}")
        return cls(corners)

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Fills the rectangle, right and bottom included; see `Geometry`."""
        # A right or bottom equal to the image's size is an exclusive end of a raw export: clipping reads it so.
        return drawing.draw_inside(self.corners, lambda canvas, _: canvas.fill(1), height=height, width=width)

    def to_json(self) -> dict[str, Any]:
        """Gives `points: {exterior, interior}`."""
        return {"points": {"exterior": self.corners.tolist(), "interior": []}}


@dataclass(frozen=True, eq=False)
class Line(Geometry):
    """A chain of points `[n, 2]`, xy pixels."""

    points: np.ndarray
    shape = "line"

    def __post_init__(self):
        """Takes any sequence of points."""
        object.__setattr__(self, "points", np.asarray(self.points))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Line":
        """Reads `points.exterior`."""
        return cls(_exterior(data.get("points")))

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws the chain one pixel wide; see `Geometry`."""

        def draw(canvas: np.ndarray, offset: tuple[int, int]) -> None:
            pixels = drawing.floor(self.points) + np.array(offset, np.int32)
            cv2.polylines(canvas, [np.vstack((pixels, pixels[-1:]))], False, 1)  # OpenCV draws no chain of one point

        return drawing.draw_inside(self.points, draw, height=height, width=width)

    def to_json(self) -> dict[str, Any]:
        """Gives `points: {exterior, interior}`."""
        return {"points": {"exterior": self.points.tolist(), "interior": []}}


class Point(Line):
    """One pixel; `points` is `[1, 2]`."""

    shape = "point"


@dataclass(frozen=True, eq=False)
class Graph(Geometry):
    """Named nodes, each drawn as one pixel; the edges belong to the class."""

    nodes: Mapping[str, Any]
    shape = "graph"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Graph":
        """Reads `nodes: {id: {loc: [x, y]}}`."""
        nodes = data.get("nodes")
        if not isinstance(nodes, Mapping) or not all(isinstance(node, Mapping) for node in nodes.values()):
            raise UserError("an object of shape graph needs an object `nodes` of nodes with a `loc`")
        graph = cls(nodes)
        graph._locations()
        return graph

    def _locations(self) -> np.ndarray:
        return _points([node.get("loc") for node in self.nodes.values()], what="nodes.loc")

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws the nodes; see `Geometry`."""
        return drawing.union([Point(location[None]).to_mask(height, width) for location in self._locations()])

    def to_json(self) -> dict[str, Any]:
        """Gives `nodes`."""
        return {"nodes": self.nodes}


@dataclass(frozen=True, eq=False)
class Cuboid(Geometry):
    """The old flat cuboid: points `[n, 2]` and faces, each of some of the points."""

    points: np.ndarray
    faces: tuple[tuple[int, ...], ...]
    shape = "cuboid"

    def __post_init__(self):
        """Takes any sequence of points."""
        object.__setattr__(self, "points", np.asarray(self.points))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Cuboid":
        """Reads `points: [[x, y], …]` and `faces: [[index, …], …]`."""
        points, faces = _points(data.get("points"), what="points"), data.get("faces")
        try:
            checked = tuple(tuple(range(len(points))[index] for index in face) for face in faces)  # type: ignore[union-attr]
            if not all(checked):
                raise IndexError("a face without points")
        except (TypeError, IndexError) as error:
            raise UserError(f"a cuboid's `faces` must be lists of indices of its points, got {faces!r:.80}") from error
        return cls(points, checked)

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Fills the faces; see `Geometry`."""
        return drawing.union([Polygon(self.points[list(face)]).to_mask(height, width) for face in self.faces])

    def to_json(self) -> dict[str, Any]:
        """Gives `points` and `faces`."""
        return {"points": self.points.tolist(), "faces": [list(face) for face in self.faces]}


@dataclass(frozen=True, eq=False)
class Unsupported(Geometry):
    """A shape we cannot draw; the object keeps its JSON among the fields we do not use."""

    shape: str

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws nothing."""
        return None

    def to_json(self) -> dict[str, Any]:
        """Gives nothing."""
        return {}


_READERS: dict[str, tuple[Callable[[Mapping[str, Any]], Geometry], tuple[str, ...]]] = {
    "bitmap": (Bitmap.from_json, ("bitmap",)),
    "alpha_mask": (AlphaMask.from_json, ("bitmap",)),
    "polygon": (Polygon.from_json, ("points",)),
    "multipolygon": (MultiPolygon.from_json, ("parts",)),
    "rectangle": (Rectangle.from_json, ("points",)),
    "line": (Line.from_json, ("points",)),
    "point": (Point.from_json, ("points",)),
    "graph": (Graph.from_json, ("nodes",)),
    "cuboid": (Cuboid.from_json, ("points", "faces")),
}


def from_json(shape: str, data: Mapping[str, Any]) -> Geometry:
    """Reads the geometry of an object's JSON; a shape we do not know becomes `Unsupported`.

    Raises:
        UserError: the keys of that shape are missing or malformed, or a bitmap cannot be decoded.
    """
    if shape in _READERS:
        return _READERS[shape][0](data)
    return Unsupported(shape)


def json_keys(shape: str) -> tuple[str, ...]:
    """Names the keys of an object's JSON that hold the geometry of that shape; none for a shape we do not know."""
    return _READERS[shape][1] if shape in _READERS else ()


def _exterior(rings: Any) -> np.ndarray:
    if not isinstance(rings, Mapping) or not rings.get("exterior"):
        raise UserError(f"`points` must be an object whose `exterior` has at least one [x, y], got {rings!r:.80}")
    return _points(rings["exterior"], what="exterior")


def _points(values: Any, *, what: str) -> np.ndarray:
    """Gives `[n, 2]` int64 or float64 as written."""
    try:
        points = np.asarray(values)
    except ValueError:
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or points.dtype.kind not in "if" or not np.isfinite(points).all():
        raise UserError(f"`{what}` must be finite [x, y] numbers, got {values!r:.80}")
    return points
