"""Finds the limits of a model that follow from its data."""

from collections.abc import Mapping

from mrcnn.card.contents import Contents
from mrcnn.card.facts import ClassCounts, DataFacts
from mrcnn.card.markdown import escaped, size
from mrcnn.errors import counted

FEW_OBJECTS = 50  # to learn of a class
FEW_IMAGES = 50  # of the validation set: one object more or less changes AP by about a hundredth
IMBALANCE = 10.0  # objects of the most frequent class by those of the rarest
MOST_NAMED = 10  # classes in one sentence
SIZES = {"small": "below 32 x 32 pixels", "medium": "of 32 x 32 to 96 x 96 pixels", "large": "above 96 x 96 pixels"}


def sentences(contents: Contents) -> list[str]:
    """Lists the limits, in Markdown; none where the run recorded nothing of its data."""
    if contents.facts is None:
        return []
    data = contents.facts.data
    return [
        *_of_classes(data.classes),
        *_of_validation(data),
        *_of_sizes(contents, data),
        *_of_skipped(contents.facts.skipped_train, contents.facts.skipped_val),
    ]


def _of_classes(classes: Mapping[str, ClassCounts]) -> list[str]:
    trained = {title: counts.train_objects for title, counts in classes.items()}
    lines = []
    if none := [title for title, count in trained.items() if not count]:
        lines.append(f"No training image has an object of {_named(none)}: the model cannot find them.")
    if few := [f"{title} ({count})" for title, count in trained.items() if 0 < count < FEW_OBJECTS]:
        lines.append(f"Classes with fewer than {FEW_OBJECTS} training objects: {_named(few)}.")
    if unmeasured := [title for title, counts in classes.items() if not counts.val_objects and counts.train_objects]:
        lines.append(f"No validation image has an object of {_named(unmeasured)}: nothing was measured of them.")
    most, least = max(trained, key=lambda title: trained[title], default=None), _rarest(trained)
    if most is not None and least is not None and trained[most] >= IMBALANCE * trained[least]:
        lines.append(
            f"The classes are unbalanced: {escaped(most)} has {trained[most]:,} training objects, {escaped(least)} "
            f"has {trained[least]:,}."
        )
    return lines


def _of_validation(data: DataFacts) -> list[str]:
    lines = []
    if data.shared:
        lines.append(
            f"{counted(data.shared, 'image')} of the {data.val_images} validation images also trained the model: the "
            "results below say how well it remembers them, not how it does on new images."
        )
    if 0 < data.val_images < FEW_IMAGES:
        lines.append(f"The results below are of {counted(data.val_images, 'image')} only, and therefore uncertain.")
    if data.val_images:
        lines.append("The same validation images chose the best epoch, so results on new images may be lower.")
    return lines


def _of_sizes(contents: Contents, data: DataFacts) -> list[str]:
    lines, metrics = [], contents.metrics
    absent = [text for name, text in SIZES.items() if f"box_ap_{name}" in metrics and metrics[f"box_ap_{name}"] is None]
    if absent and any(f"box_ap_{name}" in metrics for name in SIZES):
        lines.append(f"No validation image has objects {' or '.join(absent)}: nothing was measured of these sizes.")
    if data.smallest and data.largest:
        extent = (
            size(data.smallest) if data.smallest == data.largest else f"{size(data.smallest)} to {size(data.largest)}"
        )
        lines.append(f"All images have {extent} pixels; images of other sizes, cameras and places were not tried.")
    return lines


def _of_skipped(train: int, val: int) -> list[str]:
    found = [
        f"{counted(count, 'image')} of the {name} set"
        for name, count in (("training", train), ("validation", val))
        if count
    ]
    return [f"{' and '.join(found)} could not be read and had no part."] if found else []


def _rarest(trained: Mapping[str, int]) -> str | None:
    return min((title for title, count in trained.items() if count), key=lambda title: trained[title], default=None)


def _named(titles: list[str]) -> str:
    shown = ", ".join(map(escaped, titles[:MOST_NAMED]))
    return shown + (f" and {len(titles) - MOST_NAMED} more" if len(titles) > MOST_NAMED else "")
