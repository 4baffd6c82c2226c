"""Counts the objects of samples that training will learn, ignore or leave out."""

from collections.abc import Mapping, Sequence

from mrcnn.data import pipeline
from mrcnn.project.census import Census, Limits
from mrcnn.structures import Sample


def count(samples: Sequence[Sample], *, name: str, class_title_to_idx: Mapping[str, int], limits: Limits) -> Census:
    """Counts the objects of a set by drawing them.

    An image file is read only where the annotation does not contain the image's size.

    Args:
        samples: of the set.
        name: of the set.
        class_title_to_idx: class title -> index.
        limits: the settings that limit which objects are learnt.

    Returns:
        The counts. Broken images are left out without a message; training reports them.
    """
    titles = {index: title for title, index in class_title_to_idx.items()}
    census = Census(name, limits)
    for sample in samples:
        try:
            truth = pipeline.ground_truth(sample)
        except pipeline.BROKEN:
            continue
        instances = truth.instances
        kinds = [
            None if not ignore else "crowd" if class_id else "neutral"
            for class_id, ignore in zip(instances.class_ids, instances.ignore, strict=True)
        ]
        census.add(
            sample.name,
            (truth.height, truth.width),
            boxes=instances.boxes,
            titles=[titles[int(class_id)] for class_id in instances.class_ids],
            ignored=kinds,
            left_out=len(sample.labels) - len(instances.boxes),
        )
    return census
