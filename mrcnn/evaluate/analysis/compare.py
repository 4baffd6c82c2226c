"""Draws the truth of an image and its detections, each with what is right and wrong about it.

Colours can be told apart by the colour-blind, and what is wrong is written too: the error type at a wrong detection,
"missed" at an object. Shape letters: h w a picture.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw

from mrcnn.data.coco import masks as runs
from mrcnn.data.coco.masks import Rle, Unusable
from mrcnn.errors import one_line
from mrcnn.evaluate.analysis import error_types, matching, seen
from mrcnn.evaluate.analysis.error_types import TYPES
from mrcnn.evaluate.analysis.matching import NONE
from mrcnn.evaluate.analysis.seen import MASK, Seen
from mrcnn.images import letters

SIDE = 480  # pixels: the longer side of a picture
RIGHT, WRONG, MISSED, IGNORED = (86, 200, 255), (255, 120, 40), (255, 70, 220), (150, 150, 150)  # RGB
DARK = (20, 20, 20)
OPACITY = 0.35
MOST_NAMES = 25  # objects of a picture that are named
LETTERS = 20  # of a class title
IGNORE_TEXT, MISSED_TEXT = "ignore", "missed"


class Shape(NamedTuple):
    """An object to draw.

    Attributes:
        box: `[4]`, yxyx pixels of the image.
        mask: its run lengths.
        text: written at it.
        color: RGB.
    """

    box: np.ndarray
    mask: Rle
    text: str
    color: tuple[int, ...]


class Panels(NamedTuple):
    """Two pictures of one size.

    Attributes:
        truth: `[h, w, 3]` uint8 RGB, the objects.
        found: the same of the detections.
    """

    truth: np.ndarray
    found: np.ndarray


def panels(
    image: np.ndarray, one: Seen, *, titles: Sequence[str], threshold: float, kind: str = MASK, side: int = SIDE
) -> Panels:
    """Draws an image twice: with its objects, and with its detections.

    Args:
        image: `[H, W, channels]` uint8 RGB; of one channel grey, of more than three the first three.
        one: its objects and detections.
        titles: by class id, the background first.
        threshold: detections that score less are left out.
        kind: of the overlaps by which detections are judged.
        side: pixels of the longer side of each picture.
    """
    count = int((one.scores.astype(np.float32) >= np.float32(threshold)).sum())
    used = one._replace(
        boxes=one.boxes[:count], class_ids=one.class_ids[:count], scores=one.scores[:count], masks=one.masks[:count]
    )
    given = seen.overlaps(used, kind=kind)
    matched = matching.match(given)
    errors = error_types.find(given, matched)
    ground = _scaled(image, side)
    factor = ground.shape[0] / one.size[0], ground.shape[1] / one.size[1]
    return Panels(
        draw(ground, list(_truth(one, set(matched.objects.tolist()), titles)), factor=factor),
        draw(ground, list(_found(used, matched, errors.types, titles=titles)), factor=factor),
    )


def draw(picture: np.ndarray, shapes: Sequence[Shape], *, factor: tuple[float, float]) -> np.ndarray:
    """Draws objects over a picture: masks, outlines and names, small ones over large ones.

    Args:
        picture: `[h, w, 3]` uint8 RGB.
        shapes: the objects.
        factor: vertical and horizontal size of a pixel of the image in the picture.
    """
    scene = picture.copy()
    for shape in sorted(shapes, key=lambda shape: -_area(shape.box)):
        _paint(scene, shape, factor=factor)
    return _named(scene, shapes, factor=factor)


def encode(picture: np.ndarray, suffix: str, *, quality: int = 82) -> bytes:
    """Encodes `[h, w, 3]` uint8 RGB as `.png` or `.jpg`; the quality is that of JPEG.

    Raises:
        ValueError: the picture cannot be encoded.
    """
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    done, data = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), settings)
    if not done:
        raise ValueError(f"cannot encode a picture of shape {list(picture.shape)}")
    return data.tobytes()


def _truth(one: Seen, found: set[int], titles: Sequence[str]) -> Iterator[Shape]:
    for place, class_id in enumerate(one.gt_class_ids.tolist()):
        title = _short(titles[class_id]) if class_id else ""
        if one.gt_ignore[place]:
            text, color = f"{title} {IGNORE_TEXT}".strip(), IGNORED
        elif place in found:
            text, color = title, RIGHT
        else:
            text, color = f"{title} {MISSED_TEXT}", MISSED
        yield Shape(one.gt_boxes[place], one.gt_masks[place], text, color)


def _found(one: Seen, matched: matching.Matches, types: np.ndarray, *, titles: Sequence[str]) -> Iterator[Shape]:
    for place, class_id in enumerate(one.class_ids.tolist()):
        text = f"{_short(titles[class_id])} {one.scores[place]:.2f}"
        if matched.ignored[place]:
            color = IGNORED
        elif matched.objects[place] != NONE:
            color = RIGHT
        else:
            text, color = f"{text} {TYPES[int(types[place])]}", WRONG
        yield Shape(one.boxes[place], one.masks[place], text, color)


def _short(title: str) -> str:
    return title if len(title) <= LETTERS else f"{title[: LETTERS - 1]}…"


def _scaled(image: np.ndarray, side: int) -> np.ndarray:
    """Converts an image to `[h, w, 3]` with a longer side of `side` pixels."""
    rgb = image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, axis=-1)
    factor = side / max(image.shape[:2])
    size = tuple(max(1, round(length * factor)) for length in (image.shape[1], image.shape[0]))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST if factor > 4 else cv2.INTER_CUBIC
    resized: np.ndarray = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=way)
    return resized


def _paint(scene: np.ndarray, shape: Shape, *, factor: tuple[float, float]) -> None:
    """Tints the mask of an object and draws its outline, into the scene."""
    try:
        drawn = runs.draw(shape.mask, height=shape.mask["size"][0], width=shape.mask["size"][1])
    except Unusable:  # no pixel: the box alone
        _rectangle(scene, shape, factor=factor)
        return
    (y, x), (height, width) = drawn.origin, drawn.mask.shape
    top, left = int(y * factor[0]), int(x * factor[1])
    bottom, right = int(np.ceil((y + height) * factor[0])), int(np.ceil((x + width) * factor[1]))
    size = max(1, right - left), max(1, bottom - top)
    mask = cv2.resize(drawn.mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_LINEAR) >= 128
    part = scene[top : top + size[1], left : left + size[0]]
    mask = mask[: part.shape[0], : part.shape[1]]
    part[mask] = (part[mask] * (1 - OPACITY) + np.array(shape.color) * OPACITY).astype(np.uint8)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    for color, thickness in ((DARK, 3), (shape.color, 1)):
        cv2.drawContours(scene, outlines, -1, color, thickness, offset=(left, top))


def _rectangle(scene: np.ndarray, shape: Shape, *, factor: tuple[float, float]) -> None:
    y1, x1, y2, x2 = np.round(shape.box * np.array([*factor, *factor])).astype(int).tolist()
    cv2.rectangle(scene, (x1, y1), (max(x1, x2 - 1), max(y1, y2 - 1)), shape.color, 1)


def _named(scene: np.ndarray, shapes: Sequence[Shape], *, factor: tuple[float, float]) -> np.ndarray:
    """Writes the names of the largest objects at their boxes."""
    picture = Image.fromarray(scene)
    pen, font = ImageDraw.Draw(picture), letters.font(letters.SIZE)
    line = letters.SIZE + 4
    for shape in sorted(shapes, key=lambda shape: -_area(shape.box))[:MOST_NAMES]:
        text = one_line(shape.text)
        y, x = shape.box[0] * factor[0], shape.box[1] * factor[1]
        width = font.getlength(text) + 4
        left = max(0, min(x, scene.shape[1] - width))
        top = max(0, min(y - line if y >= line else y, scene.shape[0] - line))
        pen.rectangle((left, top, left + width, top + line - 1), fill=shape.color)
        pen.text((left + 2, top + 1), text, fill=DARK, font=font)
    return np.asarray(picture)


def _area(box: np.ndarray) -> float:
    y1, x1, y2, x2 = box.tolist()
    return (y2 - y1) * (x2 - x1)
