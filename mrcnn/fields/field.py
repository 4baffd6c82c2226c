"""Defines what an extra field of objects does; `fields.table` lists all fields.

Boxes, classes, scores and masks are the fixed core of every record. Further data of an object is an extra field:
an array with one row per object. A field defines how its rows change when images are resized, cut, mirrored or
augmented, and how they are written. Everything between the annotation and the written result loops over these fields.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from mrcnn.errors import UserError
from mrcnn.project.annotation import Label
from mrcnn.project.shape import Geometry
from mrcnn.structures import Tensor

Warp = Callable[[np.ndarray], np.ndarray]  # points `[P, 2]` (y, x) of an image -> those of the augmented image
DECIMALS = 4  # of values in JSON


class Settled(NamedTuple):
    """The settings of a field for a run, and remarks on them, one line each."""

    settings: Any
    remarks: tuple[str, ...] = ()


class Field:
    """An extra field whose values depend on neither size nor position, such as a probability.

    What depends on the model or the data, such as the names of points, is bound by `of_model`, `of_category` and
    `of_data`, each of which returns a field. The settings of a field are the model's settings of the same name.

    A subclass overrides what differs. `transformed` may only use arithmetic operators and indices, such as
    `values * scale + shift` for points: an export calls it with tensors of a graph.

    Attributes:
        name: key of the field in `extras` and in written results, a Python identifier. The ground truth in a batch is
            called `gt_<name>`.
        shape: shape of one object's value.
        shapes: shapes of the field's own figures in a project, such as `graph`. An object may have one beside the
            figure of its mask; it is then no part of the mask.
        tolerance: largest difference between the values of a model and of its export, in the values' unit.
    """

    name: str = ""
    shape: tuple[int, ...] = ()
    shapes: tuple[str, ...] = ()
    tolerance: float = 0.1

    def settled(
        self, settings: Any, classes: Sequence[Mapping[str, Any]], *, objects: Iterable[Sequence[Label]] = ()
    ) -> Settled:
        """Finds in the data the settings that a config leaves open.

        By default a field has no settings.

        Args:
            settings: those of the config; None where it leaves them open.
            classes: further values of each class of the data, in the order of the class ids from 1.
            objects: the figures of each object of the data; reading them takes time, so only a field that depends on
                them does.

        Raises:
            UserError: the data lacks what the field needs.
        """
        return Settled(settings)

    def of_model(self, settings: Any) -> "Field":
        """Adapts the field to the settings of a model.

        Args:
            settings: the model's settings of the field's name; None for a model that has none.
        """
        return self

    def of_category(self, category: Mapping[str, Any]) -> "Field":
        """Adapts the field to the annotations of a category of COCO JSON.

        Args:
            category: the further keys of the category.
        """
        return self

    def of_data(self, class_facts: Mapping[str, Mapping[str, Any]]) -> "Field":
        """Adapts the field to the annotations of a source.

        Args:
            class_facts: further values of each class by title, such as its `geometry_config`.
        """
        return self

    def transformed(self, values: Tensor, *, scale: Tensor, shift: Tensor) -> Tensor:
        """Moves the values to a scaled and shifted image.

        Pixel p of each axis moves to `scale * p + shift`.

        Args:
            values: `[N, *shape]`, pixels of the old image.
            scale: `[2]` float32, (y, x) factors; negative for an axis that is mirrored.
            shift: `[2]` float32, (y, x) pixels.

        Returns:
            `[N, *shape]`, pixels of the new image.
        """
        return values

    def augmented(self, values: np.ndarray, warp: Warp) -> np.ndarray:
        """Moves the values to an augmented image.

        Args:
            values: `[N, *shape]` float32.
            warp: maps points of the image to the augmented one, `[P, 2]` (y, x) pixels; points may leave the image.

        Returns:
            `[N, *shape]` float32.
        """
        return values

    def mirrored(self, values: np.ndarray) -> np.ndarray:
        """Exchanges left and right in a mirrored image.

        It is called after the values were moved.

        A rotation by 180 degrees, which mirrors both axes, exchanges nothing.

        Args:
            values: `[N, *shape]` float32, pixels of the mirrored image.

        Returns:
            `[N, *shape]` float32.
        """
        return values

    def merged(self, values: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Combines the values of the pieces of an object cut by window borders.

        By default it is the value of the piece with the highest score.

        Args:
            values: `[K, *shape]` float32, one row per piece, in pixels of the image; best first.
            scores: `[K]` float32.

        Returns:
            The value of the whole object, of the field's `shape`.
        """
        return values[0]

    def averaged(self, values: np.ndarray) -> np.ndarray:
        """Combines what several views of an image show of the same objects, see `predict.tta`; here the mean.

        Args:
            values: `[V, N, *shape]` float32, of each view, in pixels of the image and with left and right as there.

        Returns:
            `[N, *shape]` float32; of one view its own values.
        """
        return values.mean(axis=0, dtype=np.float64).astype(np.float32)

    def from_label(self, label: Label) -> np.ndarray:
        """Reads the value from a figure of an annotated object.

        The values are zeros where the figure has none.

        Args:
            label: the figure, in pixels of the image.

        Raises:
            UserError: the annotation has a value of another shape, or one that is not finite.
        """
        if self.name not in label.extra:
            return np.zeros(self.shape, np.float32)
        return self._checked(label.extra[self.name], f"`{self.name}` of an object of class {label.class_title!r}")

    def from_figures(self, figures: Sequence[Label]) -> np.ndarray:
        """Reads the value of an annotated object; here from the first figure that has one.

        Args:
            figures: all figures of the object, at least one, in pixels of the image.

        Raises:
            UserError: as `from_label`.
        """
        return self.from_label(next((label for label in figures if self.name in label.extra), figures[0]))

    def to_label(self, label: Label, value: np.ndarray) -> Label:
        """Adds a value to the object's label in a project.

        By default it is a further key of the label's JSON.
        """
        return replace(label, extra={**label.extra, self.name: self.jsonable(value)})

    def figure(self, value: np.ndarray) -> Geometry | None:
        """Converts a value to a separate figure of the project, of one of `shapes`.

        By default there is none.
        """
        return None

    def from_coco(self, annotation: Mapping[str, Any]) -> np.ndarray | None:
        """Reads the value of an object of a COCO file; here from the key `name`.

        Args:
            annotation: an item of `annotations`.

        Returns:
            The value in pixels of the image; None where the annotation has none.

        Raises:
            ValueError: the value is malformed, such as a `UserError` as for `from_label`; the object is left out.
        """
        return self._checked(annotation[self.name], f"`{self.name}`") if self.name in annotation else None

    def to_coco(self, value: np.ndarray) -> dict[str, Any]:
        """Converts a value to keys of the object's annotation in COCO JSON.

        The inverse of `from_coco`.
        """
        return {self.name: self.jsonable(value)}

    def to_coco_category(self) -> dict[str, Any]:
        """Lists further keys of the categories in COCO JSON.

        An example is the names of keypoints. By default there are none.
        """
        return {}

    def to_class(self) -> dict[str, Any]:
        """Lists further keys of the classes in a project's meta.json.

        An example is the template of a graph. By default there are none.
        """
        return {}

    def jsonable(self, value: np.ndarray) -> Any:
        """Converts the value of one object for JSON."""
        return np.round(np.asarray(value, np.float64), DECIMALS).tolist()

    def draw(self, picture: np.ndarray, values: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Draws the values onto a picture of the detections; here nothing.

        Args:
            picture: `[H, W, 3]` uint8 RGB.
            values: `[N, *shape]` float32, pixels of the picture.
            boxes: `[N, 4]` float32, yxyx pixels of the picture.

        Returns:
            `[H, W, 3]` uint8 RGB.
        """
        return picture

    def _checked(self, value: Any, subject: str) -> np.ndarray:
        try:
            found = np.asarray(value, np.float32)
        except (TypeError, ValueError, OverflowError):
            found = np.full((), np.nan)
        if found.shape != self.shape or not np.isfinite(found).all():
            raise UserError(f"{subject} must be finite numbers of shape {list(self.shape)}, got {value!r:.60}")
        return found
