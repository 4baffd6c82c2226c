"""Draws the pictures of the report: labelled objects with some surroundings, and whole images.

Each image is read once, one after the other, however many of its objects are shown.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mrcnn.data.sources.source import Settings, Source
from mrcnn.errors import UserError
from mrcnn.report import scan
from mrcnn.report.records import DataFacts
from mrcnn.report.scan import PLAIN, Reading
from mrcnn.structures import Instances

SIDE = 176  # pixels: the longer side of a picture
AROUND = 0.4  # of the longer side of an object's box, shown on each side of it
LEAST_AROUND = 8  # pixels
QUALITY = 82  # of JPEG
OPACITY = 0.3
BRIGHT = 255  # the largest channel of a colour
OTHERS = (160, 160, 160)  # RGB of the outlines of other objects
DARK = (20, 20, 20)


class Wanted(NamedTuple):
    """A picture to draw.

    Attributes:
        image: index in `DataFacts.images`.
        item: index of the object in the image; None for the whole image with all its objects.
    """

    image: int
    item: int | None = None


def draw(
    source: Source, data: DataFacts, wanted: Iterable[Wanted], *, settings: Settings, reading: Reading = PLAIN
) -> dict[Wanted, bytes]:
    """Draws pictures.

    Args:
        source: the images that were read into `data`.
        data: the records.
        wanted: the pictures.
        settings: as for `scan.scan`.
        reading: as for `scan.scan`.

    Returns:
        JPEG files by picture. An image that cannot be read any more has none.
    """
    by_image: dict[int, list[Wanted]] = defaultdict(list)
    for one in dict.fromkeys(wanted):
        by_image[one.image].append(one)
    found: dict[Wanted, bytes] = {}
    for index in sorted(by_image):
        item = source.items[data.images[index].item]
        try:
            annotation = item.read_annotation(source.meta)
            sample = scan.sample_of(item, annotation, titles=data.titles, settings=settings)
            image, instances = scan.read(sample, reading)
        except UserError:
            continue
        colors = [_rgb(data.colors[data.titles[class_id - 1]]) for class_id in instances.class_ids.tolist()]
        for one in by_image[index]:
            found[one] = encode(crop(image, instances, item=one.item, colors=colors))
    return found


def crop(image: np.ndarray, instances: Instances, *, item: int | None, colors: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Draws an object with its surroundings, or a whole image with all objects.

    Args:
        image: `[H, W, 3]` uint8 RGB.
        instances: its objects.
        item: index of the object; None for all.
        colors: RGB of each object.

    Returns:
        `[h, w, 3]` uint8, the longer side `SIDE` pixels.
    """
    y1, x1, y2, x2 = _window(image.shape[:2], None if item is None else instances.boxes[item])
    factor = SIDE / max(y2 - y1, x2 - x1)
    size = max(1, round((x2 - x1) * factor)), max(1, round((y2 - y1) * factor))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST if factor > 4 else cv2.INTER_CUBIC
    picture = cv2.resize(image[y1:y2, x1:x2], size, interpolation=way)
    for index in range(len(instances.masks)):
        is_chosen = item is None or index == item
        mask = _scaled(instances, index, window=(y1, x1, y2, x2), size=size)
        if mask is None:
            continue
        picture = _paint(picture, mask, colors[index] if is_chosen else OTHERS, filled=is_chosen)
    if item is not None:
        top, left, bottom, right = ((instances.boxes[item] - (y1, x1, y1, x1)) * factor).round().astype(int).tolist()
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), colors[item], 1)
    return picture


def encode(picture: np.ndarray) -> bytes:
    """Encodes `[h, w, 3]` uint8 RGB as JPEG."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise ValueError(f"cannot encode a picture of shape {list(picture.shape)}")
    return data.tobytes()


def _window(size_hw: tuple[int, ...], box: np.ndarray | None) -> tuple[int, int, int, int]:
    if box is None:
        return 0, 0, size_hw[0], size_hw[1]
    y1, x1, y2, x2 = box.astype(int).tolist()
    around = max(LEAST_AROUND, round(AROUND * max(y2 - y1, x2 - x1)))
    return max(0, y1 - around), max(0, x1 - around), min(size_hw[0], y2 + around), min(size_hw[1], x2 + around)


def _scaled(
    instances: Instances, index: int, *, window: tuple[int, int, int, int], size: tuple[int, int]
) -> np.ndarray | None:
    """Cuts an object's mask to a window and scales it to `size` (width, height); None where it lies outside."""
    y1, x1, y2, x2 = window
    top, left, bottom, right = instances.boxes[index].astype(int).tolist()
    first_y, first_x, last_y, last_x = max(y1, top), max(x1, left), min(y2, bottom), min(x2, right)
    if first_y >= last_y or first_x >= last_x:
        return None
    canvas = np.zeros((y2 - y1, x2 - x1), np.uint8)
    part = instances.masks[index][first_y - top : last_y - top, first_x - left : last_x - left]
    canvas[first_y - y1 : last_y - y1, first_x - x1 : last_x - x1] = part
    shrinks = size[0] < canvas.shape[1]
    scaled = cv2.resize(canvas * np.uint8(255), size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST)
    return np.asarray(scaled >= 128)


def _paint(picture: np.ndarray, mask: np.ndarray, color: tuple[int, ...], *, filled: bool) -> np.ndarray:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if filled:
        tinted = picture.copy()
        tinted[mask] = (tinted[mask] * (1 - OPACITY) + np.array(color) * OPACITY).astype(np.uint8)
        picture = tinted
        cv2.drawContours(picture, outlines, -1, DARK, 3)
    cv2.drawContours(picture, outlines, -1, color, 1)
    return picture


def _rgb(color: str) -> tuple[int, ...]:
    values = tuple(bytes.fromhex(color[1:]))
    factor = BRIGHT / max(1, *values)  # a dark outline would not be seen
    return tuple(min(255, round(value * factor)) for value in values) if max(values) else (BRIGHT,) * 3
