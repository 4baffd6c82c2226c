"""Averages of metrics over groups of classes, such as those with and without masks in training."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mrcnn.config import errors
from mrcnn.errors import UserError
from mrcnn.evaluate.metric import ClassFacts

FREQUENCIES = {"r": "rare", "c": "common", "f": "frequent"}  # values of LVIS's `frequency`, and their groups
SEEN, UNSEEN = "seen", "unseen"  # classes whose objects trained masks, and the others
COUNTS = ("objects", "detections")

Groups = Mapping[str, Sequence[str]]  # titles of classes by the group's name


def of_training(mask_classes: Collection[str] | None, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Groups a model's classes by whether their objects trained masks.

    Args:
        mask_classes: `allowed_mask_classes` of the training; None for all classes.
        names: titles by class id, the background first.

    Returns:
        `seen` and `unseen`; nothing where one of them would be empty.
    """
    if mask_classes is None:
        return {}
    seen = tuple(name for name in names[1:] if name in mask_classes)
    unseen = tuple(name for name in names[1:] if name not in mask_classes)
    return {SEEN: seen, UNSEEN: unseen} if seen and unseen else {}


def of_frequency(class_facts: ClassFacts, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Groups a model's classes by LVIS's `frequency`, which counts the training images of a class.

    Args:
        class_facts: further values of the classes of the data, by title.
        names: titles by class id, the background first.

    Returns:
        `rare` (1 to 10 images in LVIS v1), `common` (11 to 100) and `frequent`; a group without classes is left out.
    """
    values = {name: class_facts.get(name, {}).get("frequency") for name in names[1:]}
    found = {
        group: tuple(name for name, value in values.items() if value == letter) for letter, group in FREQUENCIES.items()
    }
    return {group: titles for group, titles in found.items() if titles}


def check(groups: Groups, names: Sequence[str]) -> None:
    """Checks that groups list classes of a model.

    Args:
        groups: the groups.
        names: titles by class id, the background first.

    Raises:
        UserError: a title is no class of the model.
    """
    for group, titles in groups.items():
        for title in titles:
            if title not in names[1:]:
                raise UserError(
                    f"the group {group!r} must list classes of the model, got {errors.shown(title)}"
                    f"{errors.nearest(title, list(names[1:]))}"
                )


def averages(per_class: Mapping[str, Mapping[str, Any]], groups: Groups) -> dict[str, dict[str, float]]:
    """Averages each measure over the classes of each group.

    For average precision this is the value that the group's classes alone would have, since COCO's is a mean over
    classes.

    Args:
        per_class: measures by title and name.
        groups: the groups.

    Returns:
        By group and name: sums of `objects` and `detections`; means of the other measures over the classes that have
        them; NaN where no class has.
    """
    found: dict[str, dict[str, float]] = {}
    for group, titles in groups.items():
        rows = [per_class[title] for title in titles if title in per_class]
        names = dict.fromkeys(name for row in rows for name in row)
        found[group] = {name: _joined(name, [row[name] for row in rows if name in row]) for name in names}
    return found


def _joined(name: str, values: Sequence[float]) -> float:
    if name in COUNTS:
        return sum(values)
    counted = [value for value in values if not math.isnan(value)]
    return sum(counted) / len(counted) if counted else math.nan
