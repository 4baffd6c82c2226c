"""Counts the objects of samples as training will see them."""

from collections.abc import Mapping, Sequence

from mrcnn.data import pipeline
from mrcnn.project.census import Census, Limits
from mrcnn.structures import Sample


def count(samples: Sequence[Sample], *, name: str, class_title_to_idx: Mapping[str, int], limits: Limits) -> Census:
    """Draws the objects of each image, without reading its pixels where the annotation tells its size.

    Args:
        samples: a set.
        name: of the set.
        class_title_to_idx: number of each class title.
        limits: the settings that decide what is learnt.

    Returns:
        The counts; an image that cannot be used is not among them, training names it.
    """
    titles = {index: title for title, index in class_title_to_idx.items()}
    census = Census(name, limits)
    for sample in samples:
        try:
            height, width, instances = pipeline.ground_truth(sample)
        except pipeline.BROKEN:
            continue
        kinds = [
            None if not ignore else "crowd" if class_id else "neutral"
            for class_id, ignore in zip(instances.class_ids, instances.ignore, strict=True)
        ]
        census.add(
            sample.name,
            (height, width),
            boxes=instances.boxes,
            titles=[titles[int(class_id)] for class_id in instances.class_ids],
            ignored=kinds,
            left_out=len(sample.labels) - len(instances.boxes),
        )
    return census
