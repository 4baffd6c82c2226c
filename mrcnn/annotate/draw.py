"""Draws detections over images: masks, boxes, class names and scores, by the `supervision` library.

Regions without instances, such as sky, are drawn below them, with their names where they have most room.

Small images are enlarged first, so that the text is legible and does not cover the objects. Where the names of all
small objects would take too much room, only the largest of them are named. Boxes of small objects have thin lines.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import supervision as sv
from PIL import Image, ImageDraw, ImageFont

from mrcnn.fields import extras
from mrcnn.fields.table import Fields
from mrcnn.predict import compact
from mrcnn.structures import CompactDetections, CroppedMask, Detections

SMALLEST_LONG_SIDE = 900  # pixels
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"  # Latin, Greek and Cyrillic letters
OPACITY = 0.45
NAME_OF_OBJECT = 0.5  # an object is always named if its name takes at most this share of its box's area
NAMES_OF_PICTURE = 0.05  # largest share of the picture's area for the names of all other objects together
THIN_BELOW = 12  # in line widths: a box with a shorter side than this is drawn with lines of one pixel
MOST_SPREAD = 500  # most names that are moved apart: the time and memory for it grow with the square of their number
DARKEST_FOR_BLACK_TEXT = 140  # luma of the background, 0-255

Region = tuple[str, CroppedMask, str]  # name, mask and colour


def draw(
    image: np.ndarray,
    detections: Detections | CompactDetections,
    *,
    class_colors: Mapping[str, str] | None = None,
    fields: Fields | None = None,
    regions: Sequence[Region] = (),
    texts: Sequence[str] | None = None,
) -> np.ndarray:
    """Draws detections over an image.

    Args:
        image: `[H, W, 3]` uint8 RGB.
        detections: the detections of this image.
        class_colors: `#RRGGBB` by class name. None gives each object its own colour, so that neighbours of one class
            can be distinguished.
        fields: the detections' extra fields by name, `Predictor.fields`; None draws keypoints without lines.
        regions: name, mask and colour `#RRGGBB` of regions without instances.
        texts: one per detection, written beside its box; None writes class and score.

    Returns:
        `[k * H, k * W, 3]` uint8 RGB; the whole number k is 1 unless the image is small.

    Raises:
        ValueError: the image has another shape or dtype.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"`image` must be [H, W, 3] uint8, got {list(image.shape)} {image.dtype}")
    factor = max(1, math.ceil(SMALLEST_LONG_SIDE / max(image.shape[:2])))
    scene: np.ndarray = cv2.cvtColor(_enlarged(image, factor, cv2.INTER_CUBIC), cv2.COLOR_RGB2BGR)
    text_size = max(12, round(min(scene.shape[:2]) / 50))
    if regions:
        painted = [sv.Color.from_hex(color) for _, _, color in regions]
        scene = _paint(scene, [mask for _, mask, _ in regions], painted, factor=factor)
        scene = _name_regions(scene, regions, factor=factor, text_size=text_size)
    if len(detections.boxes) == 0:
        return cv2.cvtColor(scene, cv2.COLOR_BGR2RGB)
    colors = _colors(detections, class_colors)
    objects = sv.Detections(detections.boxes[:, [1, 0, 3, 2]] * factor)
    masks = detections.masks if isinstance(detections, CompactDetections) else compact.from_dense(detections).masks
    scene = _paint(scene, masks, colors, factor=factor)
    scene = _outline(scene, objects, colors, thickness=max(2, text_size // 7))
    scored = zip(detections.class_names, detections.scores, strict=True)
    names = [f"{name} {score:.2f}" for name, score in scored] if texts is None else texts
    scene = _write(scene, objects, colors, names=names, text_size=text_size)
    picture = cv2.cvtColor(scene, cv2.COLOR_BGR2RGB)
    enlarged = extras.transformed(detections.extras, scale=(factor, factor), shift=(0, 0))
    return extras.draw(picture, enlarged, detections.boxes * factor, fields=fields)


def to_supervision(detections: Detections) -> sv.Detections:
    """Converts detections to those of the `supervision` library, with their class names as `data["class_name"]`."""
    return sv.Detections(
        xyxy=detections.boxes[:, [1, 0, 3, 2]],
        mask=detections.masks,
        confidence=detections.scores,
        class_id=detections.class_ids,
        data={"class_name": np.array(detections.class_names, dtype=str)},
    )


def encode(picture: np.ndarray, suffix: str) -> bytes:
    """Encodes a picture in the image format of a file suffix.

    Args:
        picture: `[H, W, 3]` uint8 RGB.
        suffix: the suffix with its dot, such as ".jpg" or ".png".

    Raises:
        ValueError: the picture cannot be encoded in this format.
    """
    done, data = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"cannot encode a picture of shape {list(picture.shape)} as {suffix}")
    return data.tobytes()


def _enlarged(image: np.ndarray, factor: int, interpolation: int) -> np.ndarray:
    if factor == 1:
        return image
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=interpolation)


def _paint(scene: np.ndarray, masks: Sequence[CroppedMask], colors: Sequence[sv.Color], *, factor: int) -> np.ndarray:
    """Blends the masks' colours into a BGR scene, small objects over large ones.

    Each mask is painted inside its box only: a canvas per mask would need too much memory for a huge image.
    """
    painted = scene.copy()
    for index in sorted(range(len(masks)), key=lambda index: -masks[index].area):
        y1, x1, y2, x2 = (side * factor for side in masks[index].box)
        pixels = _enlarged(masks[index].pixels.view(np.uint8), factor, cv2.INTER_NEAREST).view(bool)
        painted[y1:y2, x1:x2][pixels] = colors[index].as_bgr()
    return cv2.addWeighted(painted, OPACITY, scene, 1 - OPACITY, 0)


def _name_regions(scene: np.ndarray, regions: Sequence[Region], *, factor: int, text_size: int) -> np.ndarray:
    """Writes the name of each region around the pixel that is farthest from its edge."""
    picture = Image.fromarray(scene)
    pen, font = ImageDraw.Draw(picture), ImageFont.truetype(str(FONT), text_size)
    for name, mask, _ in regions:
        padded = np.pad(mask.pixels, 1).astype(np.uint8)
        row, column = divmod(int(cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_3).argmax()), padded.shape[1])
        place = (mask.box[1] + column - 0.5) * factor, (mask.box[0] + row - 0.5) * factor
        pen.text(place, name, fill=(255, 255, 255), font=font, anchor="mm", stroke_width=2, stroke_fill=(0, 0, 0))
    return np.array(picture)


def _outline(scene: np.ndarray, objects: sv.Detections, colors: Sequence[sv.Color], *, thickness: int) -> np.ndarray:
    sides = (objects.xyxy[:, 2:] - objects.xyxy[:, :2]).min(axis=1)
    is_small = sides < THIN_BELOW * thickness
    for chosen, width in ((np.flatnonzero(~is_small), thickness), (np.flatnonzero(is_small), 1)):
        if len(chosen):
            palette = sv.ColorPalette([colors[index] for index in chosen])
            boxes = sv.BoxAnnotator(palette, thickness=width, color_lookup=sv.ColorLookup.INDEX)
            scene = boxes.annotate(scene, _take(objects, chosen))
    return scene


def _write(
    scene: np.ndarray, objects: sv.Detections, colors: Sequence[sv.Color], *, names: Sequence[str], text_size: int
) -> np.ndarray:
    padding = max(2, text_size // 5)
    font = ImageFont.truetype(str(FONT), text_size)
    areas = np.array([(font.getlength(name) + 2 * padding) * (text_size + 2 * padding) for name in names])
    chosen = _named(objects.xyxy, areas, room=NAMES_OF_PICTURE * scene.shape[0] * scene.shape[1])
    if not len(chosen):
        return scene
    writer = sv.RichLabelAnnotator(
        sv.ColorPalette([colors[index] for index in chosen]),
        color_lookup=sv.ColorLookup.INDEX,
        text_color=sv.ColorPalette([_text_color(colors[index]) for index in chosen]),
        font_path=str(FONT),
        font_size=text_size,
        text_padding=padding,
        smart_position=len(chosen) <= MOST_SPREAD,
    )
    written: np.ndarray = writer.annotate(scene, _take(objects, chosen), labels=[names[index] for index in chosen])
    return written


def _take(objects: sv.Detections, indices: np.ndarray) -> sv.Detections:
    return sv.Detections(objects.xyxy[indices])


def _named(boxes_xyxy: np.ndarray, name_areas: np.ndarray, *, room: float) -> np.ndarray:
    """Selects the objects whose names are written.

    Args:
        boxes_xyxy: `[N, 4]`, pixels of the picture.
        name_areas: `[N]`, square pixels that each name takes.
        room: square pixels for the names of small objects together.

    Returns:
        Sorted indices of all objects that are large compared with their names, and of the largest others whose names
        fit `room`.
    """
    areas = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    is_large = name_areas <= NAME_OF_OBJECT * areas
    others = [index for index in np.argsort(-areas, kind="stable") if not is_large[index]]
    fitting = others[: int(np.searchsorted(np.cumsum(name_areas[others]), room, side="right"))]
    return np.sort(np.concatenate([np.flatnonzero(is_large), np.array(fitting, np.int64)]))


def _colors(detections: Detections | CompactDetections, class_colors: Mapping[str, str] | None) -> list[sv.Color]:
    if class_colors is None:
        return [sv.ColorPalette.DEFAULT.by_idx(index) for index in range(len(detections.boxes))]
    return [sv.Color.from_hex(class_colors[name]) for name in detections.class_names]


def _text_color(color: sv.Color) -> sv.Color:
    luma = 0.299 * color.r + 0.587 * color.g + 0.114 * color.b
    return sv.Color.BLACK if luma > DARKEST_FOR_BLACK_TEXT else sv.Color.WHITE
