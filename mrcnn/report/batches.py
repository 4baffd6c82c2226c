"""Draws training batches as the network gets them: every field of a batch that shows in a picture.

Boxes and masks are those of the batch, masks enlarged from their S x S grid. Regions to ignore are hatched grey,
neutral pixels magenta, pixels without a class in a semantic map yellow; the window of the image in its padding is
dashed. Text is in matplotlib's DejaVu Sans, which
also has Greek and Cyrillic letters, or in Pillow's own font where matplotlib is not installed.
"""

import colorsys
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw

from mrcnn.errors import one_line
from mrcnn.fields import extras
from mrcnn.fields.table import Fields
from mrcnn.images import letters as fonts
from mrcnn.structures import SEMANTIC, UNLABELLED, Batch

SMALLEST, WIDEST = 640, 2600  # pixels: shorter images are enlarged by a whole number; widest picture of a batch
OPACITY, HATCH = 0.35, 6  # of masks; pixels from line to line
GREY, NEUTRAL, NAMELESS, WINDOW = (150, 150, 150), (255, 0, 200), (230, 200, 0), (255, 255, 255)  # RGB
TEXT, LINE, MARGIN = 14, 20, 8  # pixels: letters, a line of the caption, between images
GROUND, INK = (24, 26, 30), (235, 235, 235)
TURN = 0.6180339887  # of the circle of hues from one object to the next: the golden ratio keeps neighbours apart
IGNORED = "ignore"
COVERED = 128  # of 255: a cell of a mask's grid counts as covered
PALE = 0.45  # saturation of the colours of stuff; that of objects is 0.85
MAP = f"gt_{SEMANTIC}"
_OF_IMAGE = {*Batch._fields, MAP}  # all others have values for each object


def draw_batch(
    batch: Mapping[str, np.ndarray],
    *,
    titles: Mapping[int, str],
    names: Sequence[str],
    fields: Fields | None = None,
    stuff: Sequence[str] = (),
) -> np.ndarray:
    """Draws the images of a batch side by side, each with a caption.

    Args:
        batch: the fields of `structures.Batch` and `gt_<name>` of the extra fields, as arrays.
        titles: of the classes by class number.
        names: of the samples by `image_ids`.
        fields: the extra fields of the run by name.
        stuff: titles of the classes of the semantic map, from 1.

    Returns:
        `[h, w, 3]` uint8 RGB.
    """
    tiles = []
    for place in range(len(batch["images"])):
        example = {name: values[place] for name, values in batch.items()}
        drawn = draw_example(example, titles=titles, fields=fields, stuff=stuff)
        tiles.append(_with_caption(drawn, [names[int(example["image_ids"])], describe(example, titles)]))
    return _side_by_side(tiles)


def draw_example(
    example: Mapping[str, np.ndarray],
    *,
    titles: Mapping[int, str],
    fields: Fields | None = None,
    stuff: Sequence[str] = (),
) -> np.ndarray:
    """Draws one image of a batch with all that training learns from it.

    Args:
        example: as for `draw_batch`, without the batch axis.
        titles: of the classes by class number.
        fields: the extra fields of the run by name.
        stuff: titles of the classes of the semantic map, from 1.

    Returns:
        `[k * H, k * W, 3]` uint8 RGB; the whole number k is 1 unless the image is small.
    """
    image = _rgb(example["images"])
    factor = max(1, math.ceil(SMALLEST / max(image.shape[:2])))
    scene = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    if MAP in example:
        scene = _paint_map(scene, _enlarged(example[MAP], scene), stuff, window=example["windows"] * factor)
    scene = _hatch(scene, _enlarged(example["neutral"].astype(np.uint8), scene) > 0, NEUTRAL)
    _dash(scene, example["windows"] * factor, WINDOW)
    used = np.flatnonzero(example["gt_valid"] | example["gt_ignore"])
    boxes = example["gt_boxes"] * factor
    for slot in used.tolist():
        mask, (y, x) = pasted(example["gt_masks"][slot], boxes[slot], size_hw=scene.shape[:2])
        part = scene[y : y + mask.shape[0], x : x + mask.shape[1]]
        ignored = bool(example["gt_ignore"][slot])
        part[:] = _hatch(part, mask, GREY) if ignored else _tint(part, mask, _color(slot))
    for slot in used.tolist():
        if example["gt_ignore"][slot]:
            _dash(scene, boxes[slot], GREY)
        else:
            _outline(scene, boxes[slot], _color(slot))
    own = {name.removeprefix("gt_"): values[used] for name, values in example.items() if name not in _OF_IMAGE}
    moved = extras.transformed(own, scale=(factor, factor), shift=(0, 0))
    scene = extras.draw(scene, moved, boxes[used], fields=fields)
    return _write_titles(scene, example, boxes=boxes, titles=titles)


def pasted(grid: np.ndarray, box: np.ndarray, *, size_hw: tuple[int, ...]) -> tuple[np.ndarray, tuple[int, int]]:
    """Enlarges a mask from its grid to its box.

    Args:
        grid: `[S, S]` uint8, how much of each cell is covered, 0-255.
        box: `[4]`, yxyx pixels.
        size_hw: height and width of the picture, to which the mask is cut.

    Returns:
        `[h, w]` bool and its (y1, x1).
    """
    y1, x1, y2, x2 = np.round(box).astype(int).tolist()
    size = max(1, x2 - x1), max(1, y2 - y1)
    mask = cv2.resize(grid, size, interpolation=cv2.INTER_LINEAR) >= COVERED
    top, left = max(0, -y1), max(0, -x1)
    y1, x1 = max(0, y1), max(0, x1)
    return mask[top : top + max(0, size_hw[0] - y1), left : left + max(0, size_hw[1] - x1)], (y1, x1)


def describe(example: Mapping[str, np.ndarray], titles: Mapping[int, str]) -> str:
    """Counts the objects of an image by class, and its regions to ignore: "2 cat, 1 dog, 1 ignored"."""
    counts = Counter(titles[int(index)] for index in example["gt_class_ids"][example["gt_valid"]])
    parts = [f"{count} {title}" for title, count in counts.most_common()]
    ignored = int(example["gt_ignore"].sum())
    parts += [f"{ignored} ignored"] if ignored else []
    height, width = example["images"].shape[:2]
    return f"{width} x {height}: {', '.join(parts) or 'no object'}"


def _rgb(image: np.ndarray) -> np.ndarray:
    """Converts an image of the batch to `[H, W, 3]` uint8: of one channel grey, of more than three the first three."""
    image = np.clip(np.round(image), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, axis=-1))


def _enlarged(values: np.ndarray, scene: np.ndarray) -> np.ndarray:
    return cv2.resize(values, scene.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def _color(slot: int, *, saturation: float = 0.85) -> tuple[int, ...]:
    return tuple(round(255 * value) for value in colorsys.hsv_to_rgb(slot * TURN % 1, saturation, 1.0))


def _paint_map(scene: np.ndarray, drawn: np.ndarray, stuff: Sequence[str], *, window: np.ndarray) -> np.ndarray:
    """Tints the pixels of each stuff class, with its title where the class has most room."""
    y1, x1, y2, x2 = np.round(window).astype(int).tolist()
    inside = np.zeros(drawn.shape, bool)
    inside[y1:y2, x1:x2] = True
    scene = _hatch(scene, inside & (drawn == UNLABELLED), NAMELESS)
    places: list[tuple[str, int, int]] = []
    for number, title in enumerate(stuff, start=1):
        mask = inside & (drawn == number)
        if mask.any():
            scene = _tint(scene, mask, _color(number, saturation=PALE))
            depths = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)[1:-1, 1:-1]
            y, x = divmod(int(depths.argmax()), depths.shape[1])
            places.append((one_line(title), y, x))
    picture = Image.fromarray(scene)
    pen, letters = ImageDraw.Draw(picture), fonts.font(TEXT)
    for text, y, x in places:
        pen.text((x, y), text, fill=INK, font=letters, anchor="mm", stroke_width=2, stroke_fill=(0, 0, 0))
    return np.array(picture)


def _tint(part: np.ndarray, mask: np.ndarray, color: tuple[int, ...]) -> np.ndarray:
    tinted = part * (1 - OPACITY) + np.array(color) * OPACITY
    return np.where(mask[..., None], tinted, part).astype(np.uint8)


def _hatch(part: np.ndarray, mask: np.ndarray, color: tuple[int, ...]) -> np.ndarray:
    lines = np.add.outer(np.arange(part.shape[0]), np.arange(part.shape[1])) % HATCH < 2
    return np.where((mask & lines)[..., None], np.array(color, np.uint8), part)


def _outline(scene: np.ndarray, box: np.ndarray, color: tuple[int, ...]) -> None:
    y1, x1, y2, x2 = np.round(box).astype(int).tolist()
    cv2.rectangle(scene, (x1, y1), (max(x1, x2 - 1), max(y1, y2 - 1)), color, 1)


def _dash(scene: np.ndarray, box: np.ndarray, color: tuple[int, ...]) -> None:
    """Draws a box of dashes, four pixels of eight."""
    canvas = np.zeros(scene.shape[:2], np.uint8)
    _outline(canvas, box, (1,))
    dashes = np.add.outer(np.arange(scene.shape[0]), np.arange(scene.shape[1])) % 8 < 4
    scene[(canvas > 0) & dashes] = color


def _write_titles(
    scene: np.ndarray, example: Mapping[str, np.ndarray], *, boxes: np.ndarray, titles: Mapping[int, str]
) -> np.ndarray:
    """Writes the class title of each object at its box; of small objects only where there are few."""
    picture = Image.fromarray(scene)
    pen, letters = ImageDraw.Draw(picture), fonts.font(TEXT)
    used = np.flatnonzero(example["gt_valid"] | example["gt_ignore"])
    for slot in used.tolist():
        is_ignored = bool(example["gt_ignore"][slot])  # a batch has no class for a region to ignore
        title = IGNORED if is_ignored else one_line(titles[int(example["gt_class_ids"][slot])])
        y1, x1, _, x2 = boxes[slot].tolist()
        width = letters.getlength(title) + 4
        if width > x2 - x1 and len(used) > 10:
            continue
        left, top = max(0, min(x1, scene.shape[1] - width)), max(0, y1 - TEXT - 4)
        color = GREY if is_ignored else _color(slot)
        pen.rectangle((left, top, left + width, top + TEXT + 4), fill=color)
        pen.text((left + 2, top + 1), title, fill=(0, 0, 0), font=letters)
    return np.asarray(picture)


def _with_caption(drawn: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    height, width = drawn.shape[:2]
    picture = Image.new("RGB", (width, height + LINE * len(lines) + 4), GROUND)
    picture.paste(Image.fromarray(drawn), (0, 0))
    pen, letters = ImageDraw.Draw(picture), fonts.font(TEXT)
    for place, line in enumerate(lines):
        pen.text((4, height + 2 + place * LINE), one_line(line), fill=INK, font=letters)
    return np.asarray(picture)


def _side_by_side(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """Arranges pictures of one size in rows that are at most `WIDEST` wide."""
    height, width = tiles[0].shape[:2]
    columns = max(1, min(len(tiles), math.ceil(math.sqrt(len(tiles))), (WIDEST + MARGIN) // (width + MARGIN)))
    rows = -(-len(tiles) // columns)
    size_hw = (rows * (height + MARGIN) - MARGIN, columns * (width + MARGIN) - MARGIN)
    sheet = np.full((*size_hw, 3), GROUND, np.uint8)
    for place, tile in enumerate(tiles):
        y, x = place // columns * (height + MARGIN), place % columns * (width + MARGIN)
        sheet[y : y + height, x : x + width] = tile
    return sheet
