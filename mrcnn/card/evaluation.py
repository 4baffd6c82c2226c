"""Builds the section of a model card about the evaluation."""

from collections.abc import Mapping
from urllib.parse import quote

from mrcnn.card.contents import Contents
from mrcnn.card.facts import Measures
from mrcnn.card.markdown import UNKNOWN, escaped, number, table
from mrcnn.card.training import MOST_CLASSES
from mrcnn.errors import counted
from mrcnn.evaluate import table as metrics

SIZES = {
    "small": "below 32 x 32 pixels",
    "medium": "32 x 32 to 96 x 96",
    "large": "above 96 x 96",
}
KINDS = ("box", "mask")
AP = (
    "Average precision (AP) of COCO: the area under the curve of precision over recall, averaged over the classes and "
    "over the overlaps (IoU) 0.50, 0.55, ... 0.95 from which a detection counts as right; AP50 is for 0.50 alone. "
    "1 is best. Detections of all scores from 0.05 count."
)


def testing_data(contents: Contents) -> str:
    """Describes the validation images."""
    parts = [contents.texts.testing_data] if contents.texts.testing_data else []
    if contents.facts is not None and contents.facts.data.val_images:
        parts.append(
            f"The {counted(contents.facts.data.val_images, 'validation image')} of the training; they also chose the "
            "best epoch. The objects of each class are in the table above."
        )
    return "\n\n".join(parts) or UNKNOWN


def factors(contents: Contents) -> str:
    """Names what the results are divided by."""
    if contents.best is None:
        return "None: only averages were recorded."
    return "Class, and size of the object: small, medium and large, by the number of pixels of its mask."


def measured(contents: Contents) -> str:
    """Explains the measures."""
    return AP if any(name.endswith("_ap") for name in contents.metrics) else UNKNOWN


def results(contents: Contents) -> str:
    """Builds the tables of the results: all images, by size, by class; then the example pictures."""
    labels = metrics.labels()
    rows = [(labels[name], number(value)) for name, value in contents.metrics.items() if name in labels]
    if not rows:
        return UNKNOWN
    parts = [table(("measure", "value"), rows), *_by_size(contents.metrics)]
    best = contents.best
    if best is not None and best.per_class:
        parts.append(_by_class(best.per_class))
    return "\n\n".join(parts)


def pictures(contents: Contents) -> str:
    """Builds the example pictures; empty where there is none."""
    best = contents.best
    found = [item for item in (best.pictures if best else ()) if contents.run and (contents.run / item.file).is_file()]
    if best is None or not found:
        return ""
    scoring = "" if best.score_threshold is None else f" that score at least {best.score_threshold:g}"
    note = (
        f"Validation images, on the left with their annotation, on the right with the detections{scoring}. They were "
        "chosen before the training, by their classes."
    )
    return "\n\n".join([note, *(f"![{escaped(item.image)}]({quote(item.file)})" for item in found)])


def summary(contents: Contents) -> str:
    """Summarizes the results in one sentence; empty without one."""
    labels = metrics.labels()
    names = [name for name in ("box_ap", "mask_ap") if contents.metrics.get(name) is not None]
    if not names:
        return ""
    told = " and ".join(f"{labels[name]} {number(contents.metrics[name])}" for name in names)
    return f"After epoch {contents.epoch}: {told} on the validation images."


def _by_size(found: Measures) -> list[str]:
    kinds = [kind for kind in KINDS if any(f"{kind}_ap_{size}" in found for size in SIZES)]
    if not kinds:
        return []
    rows = [
        (f"{size} ({text})", *(number(found.get(f"{kind}_ap_{size}")) for kind in kinds))
        for size, text in SIZES.items()
    ]
    return [table(("size of the object", *(f"{kind} AP" for kind in kinds)), rows)]


def _by_class(found: Mapping[str, Measures]) -> str:
    kinds = [kind for kind in KINDS if any(f"{kind}_ap" in values for values in found.values())]
    names = [f"{kind}_{measure}" for kind in kinds for measure in ("ap", "ap50")]
    head = ("class", "objects", *(name.replace("_ap", " AP") for name in names))
    rows = [
        (escaped(title), f"{values.get('objects') or 0:.0f}", *(number(values.get(name)) for name in names))
        for title, values in found.items()
    ]
    more = f"\n\n{len(rows) - MOST_CLASSES} more classes are not shown." if len(rows) > MOST_CLASSES else ""
    return table(head, rows[:MOST_CLASSES]) + more
