"""The shapes of annotated objects: read from JSON, drawn as masks, written back.

Coordinates are [x, y] in pixels and kept as read; drawing floors them, as the platform does on download.
Pixels: a polygon covers its outline too (`cv2.fillPoly` on whole pixel positions, the original's convention, not
COCO's), a rectangle includes its right and bottom, a line and a point are one pixel wide.
Source: Supervisely annotation format; newer shapes as of its 2024-2026 releases.
One deliberate difference: a polygon that the image's border cuts into pieces stays one object.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrcnn.errors import UserError
from mrcnn.project import bitmap, drawing
from mrcnn.project.shape import Geometry, read_exterior, read_points
from mrcnn.project.skeletons import Cuboid, Cuboid2d, Graph, Line, Point

ANGLE_LIMIT = 1e6  # radians; a larger one is no angle


class Bitmap(Geometry):
    """A mask and the position of its first pixel.

    The mask is stored in its encoded form, which is small and is written back unchanged.

    Attributes:
        origin_xy: column and row of the mask's first pixel in the image.
        data: the encoded mask.
        decoded_bytes: memory that decoding takes, bytes.
    """

    shape = "bitmap"

    def __init__(self, origin_xy: Sequence[float], mask: np.ndarray | None = None, *, data: str | None = None):
        """Stores the mask, encoded if necessary; either `mask` or `data` must be given.

        Args:
            origin_xy: column and row of the mask's first pixel in the image; rounded down.
            mask: `[h, w]`, true inside the object; used where `data` is None.
            data: the mask in the encoded form of `mrcnn.project.bitmap`.

        Raises:
            UserError: the mask has no pixel, or the data cannot be decoded.
        """
        x, y = origin_xy if _is_near_pixel(origin_xy) else drawing.floor(np.asarray(origin_xy)).tolist()
        self.origin_xy = (int(x), int(y))
        self.data = bitmap.encode(np.asarray(mask)) if data is None else data
        # decoded once here, so that broken data is an error when the annotation is read
        self.decoded_bytes = np.asarray(mask).size if data is None else bitmap.decoded_bytes(data)

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
        origin: Any = content.get("origin")
        if not _is_near_pixel(origin):
            origin = read_points([origin], what="bitmap.origin")[0]
        return cls(origin, data=content["data"])

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Crops the mask to the image; see `Geometry`."""
        mask, (x, y) = self.mask, self.origin_xy
        top, left = max(0, -y), max(0, -x)
        return drawing.tight(mask[top : max(0, height - y), left : max(0, width - x)], y + top, x + left)

    def to_json(self) -> dict[str, Any]:
        """Writes `bitmap: {origin, data}`."""
        return {"bitmap": {"data": self.data, "origin": list(self.origin_xy)}}


class AlphaMask(Bitmap):
    """A soft mask; pixels that are at least half opaque belong to the object."""

    shape = "alpha_mask"

    def __init__(self, origin_xy: Sequence[float], *, data: str):
        """Stores the encoded mask.

        Args:
            origin_xy: column and row of the mask's first pixel in the image; rounded down.
            data: the 8-bit mask in the encoded form of `mrcnn.project.bitmap`.

        Raises:
            UserError: the data cannot be decoded.
        """
        super().__init__(origin_xy, data=data)

    @property
    def mask(self) -> np.ndarray:
        """The mask `[h, w]` bool, true where it is at least half opaque."""
        return bitmap.decode_alpha(self.data)


@dataclass(frozen=True, eq=False)
class Polygon(Geometry):
    """An outline `[n, 2]` and the outlines of its holes, xy pixels."""

    exterior: np.ndarray
    interior: tuple[np.ndarray, ...] = ()
    shape = "polygon"

    def __post_init__(self):
        """Converts the outlines to arrays; any sequences of points are accepted."""
        object.__setattr__(self, "exterior", np.asarray(self.exterior))
        object.__setattr__(self, "interior", tuple(map(np.asarray, self.interior)))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Polygon":
        """Reads `points: {exterior, interior}`.

        A ring of one or two points is allowed and is drawn as a point or a line.
        """
        return cls._from_rings(data.get("points"))

    @classmethod
    def _from_rings(cls, rings: Any) -> "Polygon":
        exterior, interior = read_exterior(rings), rings.get("interior") or []
        if not isinstance(interior, list):
            raise UserError(f"`interior` must be a list of rings, got {interior!r:.80}")
        return cls(exterior, tuple(read_points(ring, what="interior") for ring in interior if ring))

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Fills the outline and cuts the holes, with their outlines; see `Geometry`."""
        return drawing.fill(self.exterior, self.interior, height=height, width=width)

    def to_json(self) -> dict[str, Any]:
        """Writes `points: {exterior, interior}`."""
        return {"points": self._rings()}

    def _rings(self) -> dict[str, Any]:
        return {"exterior": self.exterior.tolist(), "interior": [ring.tolist() for ring in self.interior]}


@dataclass(frozen=True, eq=False)
class MultiPolygon(Geometry):
    """Several polygons that form one object; `extras` holds the other fields of each polygon's JSON."""

    parts: tuple[Polygon, ...]
    extras: tuple[Mapping[str, Any], ...] = ()
    shape = "multipolygon"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "MultiPolygon":
        """Reads `parts: [{exterior, interior}, …]`."""
        parts = data.get("parts")
        if not isinstance(parts, list) or not parts:
            raise UserError("an object of shape multipolygon needs a list `parts` with at least one polygon")
        return cls(tuple(map(Polygon._from_rings, parts)), tuple(_unread(part, "points") for part in parts))

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws all parts onto one mask; see `Geometry`."""
        return drawing.union([part.to_mask(height, width) for part in self.parts])

    def to_json(self) -> dict[str, Any]:
        """Writes `parts: [{exterior, interior}, …]`."""
        extras = self.extras or ({},) * len(self.parts)
        return {"parts": [{**part._rings(), **extra} for part, extra in zip(self.parts, extras, strict=True)]}


@dataclass(frozen=True, eq=False)
class Rectangle(Geometry):
    """A rectangle by two opposite corners `[2, 2]`, xy pixels; both pixels belong to it."""

    corners: np.ndarray
    shape = "rectangle"

    def __post_init__(self):
        """Converts the corners to an array; any sequence of two points is accepted."""
        object.__setattr__(self, "corners", np.asarray(self.corners))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Rectangle":
        """Reads `points.exterior` of two points."""
        corners = read_exterior(data.get("points"))
        if len(corners) != 2:
            raise UserError(f"a rectangle needs exactly 2 points in `exterior`, got {len(corners)}")
        return cls(corners)

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Fills the rectangle, right and bottom included; see `Geometry`."""
        # In raw exports an end equal to the image's size is exclusive: clipping at the image handles it.
        return drawing.draw_inside(self.corners, lambda canvas, _: canvas.fill(1), height=height, width=width)

    def to_json(self) -> dict[str, Any]:
        """Writes `points: {exterior, interior}`."""
        return {"points": {"exterior": self.corners.tolist(), "interior": []}}


@dataclass(frozen=True, eq=False)
class OrientedBox(Rectangle):
    """A rectangle turned about its centre by `angle` radians, clockwise as seen in the image."""

    angle: float = 0
    shape = "oriented_bbox"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "OrientedBox":
        """Reads `points` of two corners before the turn, and `angle`."""
        corners, angle = read_points(data.get("points"), what="points"), data.get("angle")
        if len(corners) != 2:
            raise UserError(f"an oriented_bbox needs exactly 2 points, got {len(corners)}")
        if isinstance(angle, bool) or not isinstance(angle, int | float) or not abs(angle) <= ANGLE_LIMIT:
            raise UserError(f"an oriented_bbox needs a number `angle` in radians, got {angle!r:.80}")
        return cls(corners, angle)

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Fills the turned rectangle, its outline included; see `Geometry`.

        The turned corners are rounded to the nearest pixels: rounding down would shift corners that the turn keeps.
        """
        (x1, y1), (x2, y2) = drawing.floor(self.corners).astype(float)
        corners, centre = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)]), np.array([x1 + x2, y1 + y2]) / 2
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        turned = (corners - centre) @ np.array([(cosine, sine), (-sine, cosine)]) + centre
        return drawing.fill(np.rint(turned), height=height, width=width)

    def to_json(self) -> dict[str, Any]:
        """Writes `points` and `angle`."""
        return {"points": self.corners.tolist(), "angle": self.angle}


@dataclass(frozen=True, eq=False)
class Unsupported(Geometry):
    """A shape that cannot be drawn; its JSON is kept in the label's `extra`."""

    shape: str

    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws nothing; the result is always None."""
        return None

    def to_json(self) -> dict[str, Any]:
        """Writes no field: the label's `extra` holds them."""
        return {}


_READERS: dict[str, tuple[Callable[[Mapping[str, Any]], Geometry], tuple[str, ...]]] = {
    "bitmap": (Bitmap.from_json, ("bitmap",)),
    "alpha_mask": (AlphaMask.from_json, ("bitmap",)),
    "polygon": (Polygon.from_json, ("points",)),
    "multipolygon": (MultiPolygon.from_json, ("parts",)),
    "rectangle": (Rectangle.from_json, ("points",)),
    "oriented_bbox": (OrientedBox.from_json, ("points", "angle")),
    "line": (Line.from_json, ("points",)),
    "point": (Point.from_json, ("points",)),
    "graph": (Graph.from_json, ("nodes",)),
    "cuboid": (Cuboid.from_json, ("points", "faces")),
    "cuboid_2d": (Cuboid2d.from_json, ("vertices",)),
}

_INNER_KEYS = {"points": ("exterior", "interior"), "bitmap": ("origin", "data")}


def from_json(shape: str, data: Mapping[str, Any]) -> Geometry:
    """Reads the geometry of an object's JSON; an unknown shape becomes `Unsupported`.

    Raises:
        UserError: the keys of that shape are missing or malformed, or a bitmap cannot be decoded.
    """
    if shape in _READERS:
        return _READERS[shape][0](data)
    return Unsupported(shape)


def json_keys(shape: str) -> tuple[str, ...]:
    """Lists the JSON keys that hold a shape's geometry; none for an unknown shape."""
    return _READERS[shape][1] if shape in _READERS else ()


def json_rest(shape: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Collects the unused fields inside the geometry keys of an object's JSON.

    Args:
        shape: name of the shape in JSON.
        data: the object's JSON.

    Returns:
        Geometry key -> its unused fields, to be kept and written back; only keys that have some.
    """
    rest: dict[str, Any] = {}
    for key in json_keys(shape):
        if key in _INNER_KEYS and isinstance(data.get(key), Mapping):
            unread = _unread(data[key], key)
            rest |= {key: unread} if unread else {}
    return rest


def _is_near_pixel(origin: Any) -> bool:
    """Checks for two whole numbers that need no rounding or limit, which NumPy would take longer to find."""
    if not isinstance(origin, list | tuple) or len(origin) != 2:
        return False
    return all(type(value) is int and abs(value) <= drawing.COORDINATE_LIMIT for value in origin)


def _unread(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in _INNER_KEYS[key]}
