"""Reads labelled data into the records of the report, one image after another.

The data is opened, split and drawn as training does it. One image is in memory at a time; annotations are kept until
the images are split, as training keeps them.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mrcnn.data.classes import BACKGROUND_IDX
from mrcnn.data.read_sample import read_sample
from mrcnn.data.sources import samples
from mrcnn.data.sources.source import AnnotatedImage, Settings, Source
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.images import image_file, image_header, pixels
from mrcnn.project.annotation import Annotation
from mrcnn.report import duplicates, overlaps
from mrcnn.report.records import BOTH, NEITHER, TRAIN, VAL, DataFacts, ImageFacts, ObjectFacts, Skip
from mrcnn.structures import Instances, Sample

SUBTASK = "report"
CHANNELS = 3  # of the images as they are shown


class Reading(NamedTuple):
    """How images are read.

    Attributes:
        image_range: `model.image_range`, for 16-bit images.
        most: largest size of an image's decoded pixels, bytes; None for the default of `limits`.
    """

    image_range: int | None = None
    most: int | None = None


PLAIN = Reading()


def scan(source: Source, settings: Settings, *, reading: Reading = PLAIN, log: EventLog | None = None) -> DataFacts:
    """Reads all images of a source with their objects.

    An image that cannot be read, or whose annotation cannot, is skipped and named.

    Args:
        source: the images.
        settings: of the training; the split depends on them.
        reading: how images are read.
        log: where progress is shown; None for nowhere.
    """
    titles = tuple(item.title for item in source.meta.classes if item.title != settings.background)
    kept, annotations, skipped = _annotations(source)
    splits, remarks = _splits(source, [source.items[index] for index in kept], annotations, settings=settings)
    images = []
    listed: Sequence[int] = range(len(kept))
    for place in listed if log is None else log.track(listed, SUBTASK):
        item = source.items[kept[place]]
        try:
            sample = sample_of(item, annotations[place], titles=titles, settings=settings)
            image, instances = read(sample, reading)
            orientation, unturned = _orientation(sample, image)
        except UserError as error:
            skipped.append(Skip(_name(item), str(error)))
            continue
        objects = _objects(instances, titles)
        images.append(
            ImageFacts(
                name=sample.name,
                split=splits[place],
                size_hw=(image.shape[0], image.shape[1]),
                objects=objects,
                left_out=len(sample.labels) - len(objects),
                orientation=orientation,
                unturned=unturned,
                look=duplicates.look_of(image),
                item=kept[place],
            )
        )
    colors = {item.title: item.color for item in source.meta.classes}
    return DataFacts(
        source.name, source.kind, titles, colors, tuple(images), tuple(skipped), (*source.warnings, *remarks)
    )


def sample_of(item: AnnotatedImage, annotation: Annotation, *, titles: Sequence[str], settings: Settings) -> Sample:
    """Makes the sample of an image as training does, with a class number for the neutral class, too.

    Args:
        item: the image.
        annotation: its objects.
        titles: of the classes; the class of a title has its index here plus 1.
        settings: the names of the special classes.

    Raises:
        UserError: an object's class is unknown.
    """
    mapping = {settings.background: BACKGROUND_IDX} | {title: index for index, title in enumerate(titles, start=1)}
    return samples.make_sample(item, annotation, class_title_to_idx=mapping, neutral=settings.neutral)


def read(sample: Sample, reading: Reading = PLAIN) -> tuple[np.ndarray, Instances]:
    """Reads the image of a sample and draws its objects.

    Returns:
        `[H, W, 3]` uint8 RGB, and the objects in its pixels.

    Raises:
        UserError: the image cannot be read, or its size is not the annotation's.
    """
    return read_sample(sample, CHANNELS, **reading._asdict())


def _name(item: AnnotatedImage) -> str:
    return f"{item.dataset}/{item.name}"


def _annotations(source: Source) -> tuple[list[int], list[Annotation], list[Skip]]:
    """Reads all annotations: the indices of the readable ones, these, and the others."""
    kept, found, skipped = [], [], []
    for index, item in enumerate(source.items):
        try:
            annotation = item.read_annotation(source.meta)
        except UserError as error:
            skipped.append(Skip(_name(item), str(error)))
        else:
            kept.append(index)
            found.append(annotation)
    return kept, found, skipped


def _splits(
    source: Source, items: Sequence[AnnotatedImage], annotations: Sequence[Annotation], *, settings: Settings
) -> tuple[list[str], tuple[str, ...]]:
    """Finds the split of each image, and why training would refuse to split them."""
    try:
        sets = source.split(items, annotations, settings) if items else None
    except UserError as error:
        return [NEITHER] * len(items), (f"training refuses this data: {error}",)
    if sets is None:
        return [], ("no image has a readable annotation",)
    train, val = set(sets.train), set(sets.val)
    names: Mapping[tuple[bool, bool], str] = {
        (True, True): BOTH, (True, False): TRAIN, (False, True): VAL, (False, False): NEITHER,
    }  # fmt: skip
    return [names[index in train, index in val] for index in range(len(items))], ()


def _orientation(sample: Sample, image: np.ndarray) -> tuple[int, bool]:
    """Reads EXIF's orientation, and whether it was left out to fit the annotation."""
    header = image_header.read(image_file.read_bytes(sample.image_path))
    orientation = (header.orientation if header else None) or 1
    upright = pixels.image_size(sample.image_path) if orientation != 1 else image.shape[:2]
    return orientation, upright != image.shape[:2]


def _objects(instances: Instances, titles: Sequence[str]) -> tuple[ObjectFacts, ...]:
    found = overlaps.of_image(instances.boxes, instances.masks, class_ids=instances.class_ids)
    return tuple(
        ObjectFacts(
            title=titles[class_id - 1],
            box=tuple(box),
            area=int(np.count_nonzero(mask)),
            ignored=bool(ignored),
            parts=_parts(mask),
            overlap=overlap.iou,
            overlaps_with=overlap.other,
            crowding=overlap.crowding,
        )
        for box, mask, class_id, ignored, overlap in zip(
            instances.boxes.astype(int).tolist(),
            instances.masks,
            instances.class_ids.tolist(),
            instances.ignore,
            found,
            strict=True,
        )
    )


def _parts(mask: np.ndarray) -> int:
    """Counts the separate pieces of a mask, neighbours by a corner included."""
    return cv2.connectedComponents(np.ascontiguousarray(mask, np.uint8), connectivity=8)[0] - 1
