"""The extra field of keypoints, named points such as the joints of a person.

A value is `[K, 3]`: x and y in pixels of the image, and v. Pixel i of an axis spans i..i + 1, as for boxes. In
annotations v is COCO's: 0 not annotated, 1 hidden, 2 visible; in detections it is a score, and 0 for a point that the
class does not have. Files hold the index of the pixel, so that 0.5 is added where they are read and subtracted where
they are written.
Source: COCO data format; Supervisely's graphs and their templates (`geometry_config` of a class), as its SDK writes
them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from mrcnn.config.keypoints import KeypointTemplate
from mrcnn.errors import UserError
from mrcnn.fields.field import Settled
from mrcnn.fields.points import CENTRE, Points, X, Y
from mrcnn.project.annotation import Label
from mrcnn.project.skeletons import Graph

NAME = "keypoints"
HIDDEN, VISIBLE = 1, 2
DRAWN_FROM = 0.05  # lowest score of a point in pictures, as detectron2 draws them
NONE_IN_DATA = (
    "no class of the data has keypoints, which the head `keypoints` needs: COCO's categories have them as `keypoints`, "
    "a project's classes as nodes of `geometry_config`; or name them in `model.keypoints.names`"
)
_LEFT, _RIGHT, _MIDDLE = (0, 200, 80), (255, 140, 0), (60, 140, 255)  # RGB


class Keypoints(Points):
    """Named points of an object.

    Without a template, points can be moved, but neither be mirrored nor be read from graphs.
    """

    name = NAME
    shapes = ("graph",)
    tolerance = 2.0  # pixels: the largest of two almost equal pixels may be the other one

    def __init__(
        self,
        template: KeypointTemplate | None = None,
        *,
        scored: bool = False,
        nodes: Mapping[str, Mapping[str, str]] | None = None,
    ):
        """Stores the template.

        Args:
            template: the points; None where they are not known yet.
            scored: whether the values that are written are those of detections, with scores in place of COCO's v.
            nodes: for each class, the name of the point by the id of its node in graphs; an id that is not there is
                itself the name.
        """
        self.template, self.scored, self.nodes = template, scored, nodes or {}
        self.shape = (0 if template is None else len(template.names), 3)

    def of_model(self, settings: Any) -> "Keypoints":
        """Adapts the field to the points of a model; see `Field.of_model`."""
        return self if settings is None else Keypoints(settings, scored=True)

    def of_category(self, category: Mapping[str, Any]) -> "Keypoints":
        """Adapts the field to the points of a COCO category; see `Field.of_category`."""
        return Keypoints(_coco_template(category))

    def of_data(self, class_facts: Mapping[str, Mapping[str, Any]]) -> "Keypoints":
        """Reads the names of the nodes of graphs; see `Field.of_data`."""
        nodes = {title: {key: label for key, label, _ in _nodes(facts)} for title, facts in class_facts.items()}
        return Keypoints(self.template, scored=self.scored, nodes=nodes)

    def settled(
        self, settings: Any, classes: Sequence[Mapping[str, Any]], *, objects: Iterable[Sequence[Label]] = ()
    ) -> Settled:
        """Finds the points in the data where the config names none; see `Field.settled`.

        Classes with different points are joined: points of one name are one point.

        Raises:
            UserError: no class has points, or a class has two of one name.
        """
        if settings is not None:
            return Settled(settings, _remarks(settings))
        for facts in classes:
            _check_names(facts)
        templates = [_coco_template(facts) or _project_template(facts) for facts in classes]
        known = [template for template in templates if template is not None]
        if not known:
            raise UserError(NONE_IN_DATA)
        found = KeypointTemplate(
            names=tuple(dict.fromkeys(name for template in known for name in template.names)),
            skeleton=tuple(dict.fromkeys(edge for template in known for edge in template.skeleton)),
            class_points=tuple(() if template is None else template.names for template in templates),
        )
        found = found.model_copy(update={"pairs": found.settled_pairs})
        return Settled(found, _remarks(found))

    def mirrored(self, values: np.ndarray) -> np.ndarray:
        """Exchanges left and right points by the template; see `Field.mirrored`."""
        return values[:, list(self._known().mirrored_order)]

    def merged(self, values: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Selects each point from the piece where it has the highest score; see `Field.merged`."""
        return np.take_along_axis(values, values[..., 2].argmax(axis=0)[None, :, None], axis=0)[0]

    def averaged(self, values: np.ndarray) -> np.ndarray:
        """Averages each point's places, weighted by their scores, and its scores; see `Field.averaged`.

        A score below 0, as a logit may be, has no weight; where no view has any, all count alike.
        """
        weights = np.maximum(values[..., 2:].astype(np.float64), 0.0)
        total = weights.sum(axis=0)
        # divided before they are used, so that the share of a single view is exactly 1
        shares = np.where(total > 0, weights / np.where(total > 0, total, 1.0), 1.0 / len(values))
        places = (shares * values[..., :2]).sum(axis=0)
        return np.concatenate([places, values[..., 2:].mean(axis=0, dtype=np.float64)], axis=-1).astype(np.float32)

    def from_figures(self, figures: Sequence[Label]) -> np.ndarray:
        """Reads the nodes of the object's graphs by their names; see `Field.from_figures`.

        Nodes with other names than the template's are left out. A disabled node is a hidden point.
        """
        value = np.zeros(self.shape, np.float32)
        rows = {name: row for row, name in enumerate(self._known().names)}
        for label in figures:
            if not isinstance(label.geometry, Graph) or label.geometry.shape not in self.shapes:
                continue
            names = self.nodes.get(label.class_title, {})
            places = label.geometry.locations()
            for (key, node), (x, y) in zip(label.geometry.nodes.items(), places, strict=True):
                row = rows.get(names.get(key, key))
                if row is not None:
                    value[row] = x + CENTRE, y + CENTRE, HIDDEN if node.get("disabled") else VISIBLE
        return value

    def to_label(self, label: Label, value: np.ndarray) -> Label:
        """Returns the mask's label unchanged, since the points are a figure of their own."""
        return label

    def figure(self, value: np.ndarray) -> Graph | None:
        """Converts the existing points to a graph; None without any. See `Field.figure`."""
        nodes: dict[str, dict[str, Any]] = {}
        for name, (x, y, v) in zip(self._names(len(value)), value.tolist(), strict=True):
            if v:
                hidden = {"disabled": True} if not self.scored and v < VISIBLE else {}
                nodes[name] = {"loc": [round(x - CENTRE, 2), round(y - CENTRE, 2)], **hidden}
        return Graph(nodes) if nodes else None

    def from_coco(self, annotation: Mapping[str, Any]) -> np.ndarray | None:
        """Reads `keypoints`; None where no point is annotated. See `Field.from_coco`."""
        listed = annotation.get(NAME)
        if not listed:
            return None
        try:
            value = np.asarray(listed, np.float32).reshape(-1, 3)
        except (TypeError, ValueError, OverflowError):
            value = np.full((1, 3), np.nan, np.float32)
        count = len(value) if self.template is None else len(self.template.names)
        if len(value) != count or not np.isfinite(value).all():
            raise UserError(f"`{NAME}` must be x, y and v of {count} points, got {listed!r:.60}")
        value = np.where(value[:, 2:] > 0, value + CENTRE * (X + Y), 0).astype(np.float32)
        return value if value.any() else None

    def to_coco(self, value: np.ndarray) -> dict[str, Any]:
        """Writes `keypoints` and `num_keypoints`, for detections also `keypoint_scores`; see `Field.to_coco`."""
        flat: list[float] = []
        for x, y, v in value.tolist():
            seen = VISIBLE if self.scored else round(v)
            flat += [round(x - CENTRE, 2), round(y - CENTRE, 2), seen] if v else [0, 0, 0]
        scores = {"keypoint_scores": np.round(value[:, 2].astype(np.float64), 4).tolist()} if self.scored else {}
        return {NAME: flat, "num_keypoints": int(np.count_nonzero(value[:, 2])), **scores}

    def to_coco_category(self) -> dict[str, Any]:
        """Writes the names and the skeleton, whose points COCO counts from 1; see `Field.to_coco_category`."""
        template = self._known()
        return {NAME: list(template.names), "skeleton": [[one + 1, two + 1] for one, two in template.edges]}

    def to_class(self) -> dict[str, Any]:
        """Writes the template of the graphs; see `Field.to_class`."""
        if self.template is None:
            return {}
        names = self.template.names
        angles = [2 * math.pi * index / len(names) for index in range(len(names))]
        nodes = {
            name: {
                "label": name,
                "loc": [round(50 + 50 * math.sin(angle), 1), round(50 - 50 * math.cos(angle), 1)],  # on a circle
                "color": "#{:02X}{:02X}{:02X}".format(*self._color(name)),
            }
            for name, angle in zip(names, angles, strict=True)
        }
        edges = [{"src": one, "dst": two, "color": "#FFFFFF"} for one, two in self.template.skeleton]
        return {"geometry_config": {"nodes": nodes, "edges": edges}}

    def draw(self, picture: np.ndarray, values: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Draws the skeletons, left points green, right ones orange, others blue; see `Field.draw`."""
        drawn = picture.copy()
        radius = max(2, round(min(picture.shape[:2]) / 200))
        edges = () if self.template is None else self.template.edges
        for value in values:
            shown = value[:, 2] >= DRAWN_FROM
            places = np.round(np.clip(value[:, :2], -1e6, 1e6) * 16).astype(int).tolist()  # in sixteenths of a pixel
            colors = [self._color(name) for name in self._names(len(value))]
            for one, two in edges:
                if shown[one] and shown[two]:
                    cv2.line(drawn, places[one], places[two], colors[two], max(1, radius - 1), cv2.LINE_AA, 4)
            for index in np.flatnonzero(shown):
                cv2.circle(drawn, places[index], (radius + 1) * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
                cv2.circle(drawn, places[index], radius * 16, colors[index], -1, cv2.LINE_AA, 4)
        return drawn

    def _known(self) -> KeypointTemplate:
        if self.template is None:
            raise ValueError("the field `keypoints` has no template here: use `fields.table.of_model`")
        return self.template

    def _names(self, count: int) -> Sequence[str]:
        return [str(number) for number in range(1, count + 1)] if self.template is None else self.template.names

    def _color(self, name: str) -> tuple[int, int, int]:
        pairs = () if self.template is None else self.template.settled_pairs
        sides = {name: color for pair in pairs for name, color in zip(pair, (_LEFT, _RIGHT), strict=True)}
        return sides.get(name, _MIDDLE)


def _remarks(template: KeypointTemplate) -> tuple[str, ...]:
    pairs = template.settled_pairs
    named = ", ".join(f"{one} and {two}" for one, two in pairs) or "none"
    return (
        f"`model.keypoints`: {len(template.names)} points ({', '.join(template.names)}); a mirrored image exchanges "
        f"{named} (`pairs` sets others)",
    )


def _coco_template(category: Mapping[str, Any]) -> KeypointTemplate | None:
    """Reads the points of a COCO category; None if absent or malformed."""
    listed = category.get(NAME)
    if not isinstance(listed, list) or not listed:
        return None
    names = tuple(str(name) for name in listed)
    if len(set(names)) < len(names) or not all(names):
        return None
    edges = [edge for edge in _list(category.get("skeleton")) if isinstance(edge, list) and len(edge) == 2]
    skeleton = tuple(
        (names[one - 1], names[two - 1]) for one, two in edges if _counts(one, names) and _counts(two, names)
    )
    return KeypointTemplate(names=names, skeleton=skeleton)


def _project_template(facts: Mapping[str, Any]) -> KeypointTemplate | None:
    """Reads the template of a project's class from its meta; None without one."""
    nodes = _nodes(facts)
    names = {key: label for key, label, _ in nodes}
    if not names or len(set(names.values())) < len(names):
        return None
    edges = [edge for edge in _list(facts["geometry_config"].get("edges")) if isinstance(edge, Mapping)]
    ends = [(names.get(str(edge.get("src"))), names.get(str(edge.get("dst")))) for edge in edges]
    return KeypointTemplate(names=tuple(names.values()), skeleton=tuple((a, b) for a, b in ends if a and b))


def _check_names(facts: Mapping[str, Any]) -> None:
    """Checks that the points of a class, by COCO or by a project's template, differ in their names."""
    names = [str(name) for name in _list(facts.get(NAME))] or [label for _, label, _ in _nodes(facts)]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"a class of the data has two keypoints named {doubled[0]!r}: rename one of them")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _counts(place: Any, names: Sequence[str]) -> bool:
    """Checks whether an end of a skeleton's line is the number of a point, from 1."""
    return type(place) is int and 1 <= place <= len(names)


def _nodes(facts: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Lists id, name and content of the nodes of a class's template."""
    config = facts.get("geometry_config")
    nodes = config.get("nodes") if isinstance(config, Mapping) else None
    if not isinstance(nodes, Mapping):
        return []
    return [
        (key, str(node.get("label") or key), node) for key, node in nodes.items() if key and isinstance(node, Mapping)
    ]
