"""The table of metrics that evaluation and validation compute.

A new metric is one row of `METRICS`; other code may add its own rows.
"""

from collections.abc import Collection, Iterable
from types import MappingProxyType

from mrcnn.evaluate import boundary, cityscapes, coco, keypoints, lvis, panoptic
from mrcnn.evaluate.metric import ClassFacts, MetricKind, check_names

# begins of the names of all measures of masks
OF_MASKS = ("mask_", "boundary_", "lvis_mask_", "cityscapes_", "pq", "sq", "rq")

METRICS: dict[str, MetricKind] = {
    "coco": coco.KIND,
    "boundary": boundary.KIND,
    "keypoints": keypoints.KIND,
    "lvis": lvis.KIND,
    "cityscapes": cityscapes.KIND,
    "panoptic": panoptic.KIND,
}


def kinds_for(
    fields: Collection[str],
    class_facts: ClassFacts | None = MappingProxyType({}),
    *,
    maps: Collection[str] = (),
) -> tuple[MetricKind, ...]:
    """Selects the metrics of a model and its data.

    Args:
        fields: names of the extra fields that the model's heads add to a detection.
        class_facts: further values of the classes of the data, by title; None, for data that was not read yet, selects
            the metrics of all data.
        maps: names of the maps that the model's heads add.

    Raises:
        ValueError: a metric shows a measure with a name of `metric.RESERVED`.
    """
    of_model = (kind for kind in METRICS.values() if set(kind.needs) <= set(fields))
    with_maps = (kind for kind in of_model if set(kind.needs_maps) <= set(maps))
    kinds = tuple(kind for kind in with_maps if class_facts is None or kind.fits(class_facts))
    check_names(name for kind in kinds for name in (*kind.columns, *kind.validated))
    return kinds


def without_masks(kinds: Iterable[MetricKind]) -> tuple[MetricKind, ...]:
    """Leaves out the validated measures of masks, for objects whose masks are not known."""
    return tuple(
        kind._replace(
            validated={name: label for name, label in kind.validated.items() if not name.startswith(OF_MASKS)},
            monitored=tuple(name for name in kind.monitored if not name.startswith(OF_MASKS)),
        )
        for kind in kinds
    )


def needs(fields: Collection[str]) -> tuple[str, ...]:
    """Lists the extra fields of objects that the metrics of a model need, each once.

    Args:
        fields: as for `kinds_for`.
    """
    return tuple(dict.fromkeys(name for kind in kinds_for(fields, None) for name in kind.needs))


def columns() -> tuple[str, ...]:
    """Lists the measures in the text table of an evaluation, of all kinds."""
    return tuple(name for kind in METRICS.values() for name in kind.columns)


def labels() -> dict[str, str]:
    """Maps each validated measure to its label in the plot's legend."""
    return {name: label for kind in METRICS.values() for name, label in kind.validated.items()}


def lower_is_better() -> frozenset[str]:
    """Collects the validated measures that are better if lower, of all kinds."""
    return frozenset(name for kind in METRICS.values() for name in kind.lower_is_better)
