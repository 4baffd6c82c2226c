"""The images on which an exported model is compared with the live one.

They come from a folder or from annotated data; without one they are bundled photographs. Images of files are read anew
whenever they are needed, so that one at a time is in memory.
"""

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from skimage import data as photographs

from mrcnn.data.sources.source import DataPaths
from mrcnn.errors import UserError
from mrcnn.events import EventLog, JsonLog
from mrcnn.predict import sources
from mrcnn.predict.sources import Entry, Source

MAX_IMAGES = 24  # most images of a folder that are used, evenly spread over its sorted names
LEAST_PICTURES = 20  # of a comparison; parts of images are added where a folder has fewer
LEAST_SIZES = 3  # of a comparison; other sizes of images are added where a folder has fewer
MOST_ENLARGED = 4_000_000  # pixels of an image that is still enlarged
MOST_CHANNELS = 4  # that OpenCV averages at once

Item = TypeVar("Item")


class Picture(NamedTuple):
    """An image to compare on: its name and `[H, W, channels]` uint8."""

    name: str
    image: np.ndarray


class Labelled(NamedTuple):
    """Data with labels, on which both models are evaluated too.

    Attributes:
        data: a project, as for `sources.open_project`, or the paths of data of any format.
        tag: only images with this tag are used; None for all.
        images: folder of the images to compare on; None for those of the data.
    """

    data: str | Path | DataPaths
    tag: str | None = None
    images: str | Path | None = None

    def open(self) -> Source:
        """Opens the data.

        Raises:
            UserError: as `sources.open_project`, `sources.open_annotated` and `sources.with_tag`.
        """
        data = self.data
        opened = sources.open_annotated(data) if isinstance(data, DataPaths) else sources.open_project(data)
        return sources.with_tag(opened, self.tag) if self.tag else opened


class Anew(Collection[Item]):
    """Items that are made anew each time they are iterated over, so that one at a time is in memory."""

    def __init__(self, count: int, make: Callable[[], Iterator[Item]]) -> None:
        """Stores how many items there are, and what makes them."""
        self._count, self._make = count, make

    def __len__(self) -> int:
        """Returns the number of items."""
        return self._count

    def __iter__(self) -> Iterator[Item]:
        """Makes the items."""
        return self._make()

    def __contains__(self, item: object) -> bool:
        """Looks for the object itself."""
        return any(item is other for other in self)


def arrays(pictures: Collection[Picture]) -> Anew[np.ndarray]:
    """Returns the arrays of pictures, `[H, W, channels]` uint8."""
    return Anew(len(pictures), lambda: (picture.image for picture in pictures))


def folder_pictures(
    folder: str | Path,
    *,
    channels: int,
    image_range: int | None = None,
    log: EventLog,
    most: int = MAX_IMAGES,
    varied: bool = False,
) -> Anew[Picture]:
    """Opens at most `most` images of a folder; arguments and errors as for `source_pictures`.

    Raises:
        UserError: the folder does not exist, or has no image that can be read.
    """
    source = sources.open_images(folder)
    return source_pictures(
        source, channels=channels, image_range=image_range, log=log, most=most, varied=varied, place=folder
    )


def source_pictures(
    source: Source,
    *,
    channels: int,
    image_range: int | None = None,
    log: EventLog,
    most: int = MAX_IMAGES,
    varied: bool = False,
    place: str | Path = "the data",
) -> Anew[Picture]:
    """Opens at most `most` images of a source; reports and leaves out unreadable ones.

    Args:
        source: the images.
        channels: channel count of the arrays.
        image_range: as for `images.pixels.read_image`.
        log: receives why an image is left out.
        most: largest number of images.
        varied: add parts and other sizes of the images until there are `LEAST_PICTURES` of `LEAST_SIZES` sizes, or
            three of every image.
        place: of the images in messages.

    Raises:
        UserError: no image can be read.
    """
    count = len(source.entries)
    chosen = [index * count // most for index in range(most)] if count > most else range(count)
    source = replace(source, entries=tuple(source.entries[index] for index in chosen))
    reading: dict[str, Any] = {"channels": channels, "image_range": image_range, "on_skip": lambda title: None}
    found = [
        (source.entries[picture.index], picture.image.shape)
        for picture in sources.read_pictures(source, log=log, **reading)
    ]
    if not found:
        raise UserError(f"none of the images in {place} could be read; see the messages before this one")
    originals = [partial(_read, source, entry, reading) for entry, _ in found]
    changed = _changed_count(len(found), sizes=len({shape for _, shape in found})) if varied else 0
    further = [partial(_changed, read, way) for read in originals[:changed] for way in WAYS]
    readers = [*originals, *further]
    return Anew(len(readers), lambda: (read() for read in readers))


def bundled_pictures(*, max_dim: int, channels: int) -> list[Picture]:
    """Returns scikit-image's photographs: whole, cropped, and smaller and larger than the model input.

    Args:
        max_dim: longest side of the model input in pixels.
        channels: channel count of the arrays.
    """
    coins, astronaut = photographs.coins(), photographs.astronaut()
    large = cv2.resize(astronaut, (max_dim + max_dim // 4, max_dim + max_dim // 2))
    images = {
        "coins": coins,
        "coins, narrow": coins[:, 20:130],
        "coins, small": coins[20:80, 20:100],  # most models enlarge it
        "astronaut": astronaut,
        "astronaut, wide": astronaut[:150],
        "astronaut, large": large,
    }
    return [Picture(name, _with_channels(image, channels)) for name, image in images.items()]


def _read(source: Source, entry: Entry, reading: dict[str, Any]) -> Picture:
    """Reads an image that could be read before."""
    alone = replace(source, entries=(entry,))
    pictures = sources.read_pictures(alone, log=JsonLog(), **reading)
    for picture in pictures:
        return Picture(entry.title, picture.image)
    raise UserError(f"{entry.path} could be read at first and cannot be read now; keep the images until the end")


def _changed_count(count: int, *, sizes: int) -> int:
    """Computes of how many images other sizes are added."""
    lacking = math.ceil((LEAST_PICTURES - count) / len(WAYS))
    return min(count, max(lacking, 1 if sizes < LEAST_SIZES else 0, 0))


def _changed(read: Callable[[], Picture], way: str) -> Picture:
    name, image = read()
    return Picture(f"{name}, {way}", WAYS[way](image))


def _narrow(image: np.ndarray) -> np.ndarray:
    quarter = image.shape[1] // 4
    return np.ascontiguousarray(image[:, quarter : image.shape[1] - quarter])


def _scaled(image: np.ndarray, factor: float) -> np.ndarray:
    height, width = (max(round(side * factor), 1) for side in image.shape[:2])
    parts = [image[..., first : first + MOST_CHANNELS] for first in range(0, image.shape[2], MOST_CHANNELS)]
    scaled = (cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA) for part in parts)
    return np.concatenate([part.reshape(height, width, -1) for part in scaled], axis=2)


def _resized(image: np.ndarray) -> np.ndarray:
    return _scaled(image, 1.5 if image.shape[0] * image.shape[1] <= MOST_ENLARGED else 0.25)


WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "narrow": _narrow, "half": partial(_scaled, factor=0.5), "resized": _resized
}  # fmt: skip


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    if image.ndim == 3 and channels == 3:
        return image
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.repeat(grey[..., None], channels, axis=2)
