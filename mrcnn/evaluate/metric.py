"""Defines the interface of metrics, which are computed image by image.

Shape letters: N detections of one image, H W its original pixels.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from mrcnn.fields.table import Fields
from mrcnn.structures import GroundTruth, SemanticRules

PER_CLASS = "per_class"
GROUPS = "groups"
# keys of the results of evaluation and validation that no measure may have as its name
RESERVED = frozenset({PER_CLASS, GROUPS, "images", "skipped", "loss", "l2_loss"})

ClassFacts = Mapping[str, Mapping[str, Any]]  # further values of the classes, by title and then by name
Maps = Mapping[str, SemanticRules]  # the rules of a model's maps, by name


def always(class_facts: ClassFacts) -> bool:
    """Returns true: the condition of metrics that fit all data."""
    return True


class Predictions(Protocol):
    """Detections of one image: `structures.Detections` or any record with these fields."""

    @property
    def boxes(self) -> Any:
        """`[N, 4]`, yxyx pixels of the image."""

    @property
    def class_ids(self) -> Any:
        """`[N]`, 1..C-1."""

    @property
    def scores(self) -> Any:
        """`[N]`."""

    @property
    def masks(self) -> Any:
        """`[N, H, W]` bool, or N masks as of `coco.encode_masks`."""

    @property
    def extras(self) -> Mapping[str, Any]:
        """`[N, ...]` by name, the extra fields that the model's heads add."""

    @property
    def maps(self) -> Mapping[str, Any]:
        """`[H, W]` by name, the maps that the model's heads for whole images add."""


class Metric(Protocol):
    """Accumulates images and computes measures of all of them."""

    def add(self, image_id: int, ground_truth: GroundTruth, detections: Predictions) -> None:
        """Adds one image.

        Args:
            image_id: a number that identifies the image.
            ground_truth: the image's size and its objects, with the extra fields that the metric needs;
                `instances.facts` holds further values of the image, such as LVIS's `neg_category_ids`.
            detections: the detections of the same image; may be empty.
        """

    def result(self) -> Mapping[str, Any]:
        """Computes the measures of all images added so far.

        Returns:
            Numbers by name; NaN where there is nothing to measure. `per_class`, where it is there, holds for each class
            id a dictionary of such numbers.
        """


class MetricKind(NamedTuple):
    """How a metric is made, and which of its measures are shown.

    The names are unique among all kinds.

    Attributes:
        make: `make(class_names, max_detections=..., class_facts=...)` makes an empty metric. `class_names` is ordered
            by class id, the background first; `max_detections` is the most detections of an image; `class_facts` are
            the further values of each class of the data by title, such as LVIS's `frequency` and COCO's `id`.
        columns: measures in the text table of an evaluation.
        validated: measures that training takes after an epoch, in 0..1, with their names in the legend of the plot.
        monitored: those of `validated` that may decide which checkpoint is best, as `val_<name>`.
        lower_is_better: those of `validated` that are better if lower; the others are better if higher.
        needs: extra fields of objects and detections; the metric is computed for models whose heads add them all.
        needs_maps: maps of images and detections; the metric is computed for models whose heads add them all, where
            the model sees whole images. `make` is then also called with `maps`, the rules of the model's maps by name.
        uses_fields: `make` is also called with `fields`, the model's extra fields by name.
        fits: whether the metric is computed for data, by the further values of their classes.
    """

    make: Callable[..., Metric]
    columns: tuple[str, ...] = ()
    validated: Mapping[str, str] = {}
    monitored: tuple[str, ...] = ()
    lower_is_better: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    needs_maps: tuple[str, ...] = ()
    uses_fields: bool = False
    fits: Callable[[ClassFacts], bool] = always


class Metrics:
    """Computes several metrics of the same images; has the methods of `Metric`."""

    def __init__(
        self,
        kinds: Iterable[MetricKind],
        class_names: Iterable[str],
        *,
        max_detections: int,
        class_facts: ClassFacts = MappingProxyType({}),
        fields: Fields = MappingProxyType({}),
        maps: Maps = MappingProxyType({}),
    ):
        """Makes a metric of each kind, without images.

        Args:
            kinds: the kinds, in the order of their measures in the result.
            class_names: by class id, the background first.
            max_detections: the most detections of an image.
            class_facts: further values of each class of the data, by title.
            fields: the model's extra fields by name.
            maps: the rules of the model's maps by name.
        """
        names = tuple(class_names)
        given = {"max_detections": max_detections, "class_facts": class_facts}
        self._metrics = [
            kind.make(
                names,
                **given,
                **({"fields": fields} if kind.uses_fields else {}),
                **({"maps": maps} if kind.needs_maps else {}),
            )
            for kind in kinds
        ]

    def add(self, image_id: int, ground_truth: GroundTruth, detections: Predictions) -> None:
        """Adds one image to every metric; see `Metric.add`."""
        for metric in self._metrics:
            metric.add(image_id, ground_truth, detections)

    def result(self) -> dict[str, Any]:
        """Combines the measures of all metrics to one dictionary with `per_class`; see `Metric.result`.

        Raises:
            ValueError: two metrics have a measure of the same name, or one has a name of `RESERVED`.
        """
        combined: dict[str, Any] = {}
        per_class: dict[int, dict[str, Any]] = {}
        for metric in self._metrics:
            found = dict(metric.result())
            for class_id, values in found.pop(PER_CLASS, {}).items():
                _add(values, per_class.setdefault(class_id, {}))
            check_names(found)
            _add(found, combined)
        return {**combined, PER_CLASS: per_class}


def check_names(names: Iterable[str]) -> None:
    """Checks that a measure cannot be confused with another key of the results.

    Raises:
        ValueError: a name is one of `RESERVED`.
    """
    if taken := sorted(RESERVED.intersection(names)):
        raise ValueError(f"a metric has a measure named {taken[0]!r}, which the results have already: rename it")


def _add(found: Mapping[str, Any], combined: dict[str, Any]) -> None:
    if taken := sorted(combined.keys() & found.keys()):
        raise ValueError(f"two metrics have a measure named {taken[0]!r}: rename one of them")
    combined.update(found)
