"""Pictures of detections, for people: masks, boxes, names and scores, drawn by the `supervision` library.

Small images are enlarged first, so that the writing does not cover them and can be read.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import supervision as sv

from mrcnn.infer import compact
from mrcnn.structures import CompactDetections, CroppedMask, Detections

SMALLEST_LONG_SIDE = 900  # pixels
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"  # Latin, Greek and Cyrillic letters
OPACITY = 0.45
MOST_SPREAD = 500  # labels that are moved apart: time and memory of that grow with the square of their number
DARKEST_FOR_BLACK_TEXT = 140  # luma of the background, 0-255


def draw(
    image: np.ndarray, detections: Detections | CompactDetections, *, class_colors: Mapping[str, str] | None = None
) -> np.ndarray:
    """Draws detections over an image.

    Args:
        image: `[H, W, 3]` uint8 RGB.
        detections: of this image.
        class_colors: `#RRGGBB` by class name; without it every object has a colour of its own, which tells neighbours
            of one class apart.

    Returns:
        `[k * H, k * W, 3]` uint8 RGB; k is 1 unless the image is small.

    Raises:
        ValueError: the image has another number of channels or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"`image` must be [H, W, 3] uint8, got {list(image.shape)} {image.dtype}")
    factor = max(1, math.ceil(SMALLEST_LONG_SIDE / max(image.shape[:2])))
    scene: np.ndarray = cv2.cvtColor(_enlarged(image, factor, cv2.INTER_CUBIC), cv2.COLOR_RGB2BGR)
    if len(detections.boxes) == 0:
        return cv2.cvtColor(scene, cv2.COLOR_BGR2RGB)
    colors = _colors(detections, class_colors)
    palette = sv.ColorPalette(colors)
    objects = sv.Detections(
        xyxy=detections.boxes[:, [1, 0, 3, 2]] * factor,
        confidence=np.asarray(detections.scores),
        class_id=np.asarray(detections.class_ids),
    )
    text_size = max(12, round(min(scene.shape[:2]) / 50))
    masks = detections.masks if isinstance(detections, CompactDetections) else compact.from_dense(detections).masks
    scene = _paint(scene, masks, colors, factor)
    boxes = sv.BoxAnnotator(palette, thickness=max(2, text_size // 7), color_lookup=sv.ColorLookup.INDEX)
    scene = boxes.annotate(scene, objects)
    writer = sv.RichLabelAnnotator(
        palette,
        color_lookup=sv.ColorLookup.INDEX,
        text_color=sv.ColorPalette([_text_color(color) for color in colors]),
        font_path=str(FONT),
        font_size=text_size,
        text_padding=max(2, text_size // 5),
        smart_position=len(colors) <= MOST_SPREAD,
    )
    names = [f"{name} {score:.2f}" for name, score in zip(detections.class_names, detections.scores, strict=True)]
    scene = writer.annotate(scene, objects, labels=names)
    return cv2.cvtColor(scene, cv2.COLOR_BGR2RGB)


def encode(picture: np.ndarray, suffix: str) -> bytes:
    """Encodes a picture as a file of the kind that `suffix` (".jpg", ".png") names.

    Args:
        picture: `[H, W, 3]` uint8 RGB.
        suffix: with its dot.
    """
    done, data = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"cannot encode a picture of shape {list(picture.shape)} as {suffix}")
    return data.tobytes()


def _enlarged(image: np.ndarray, factor: int, interpolation: int) -> np.ndarray:
    if factor == 1:
        return image
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=interpolation)


def _paint(scene: np.ndarray, masks: Sequence[CroppedMask], colors: Sequence[sv.Color], factor: int) -> np.ndarray:
    """Lays the colours over a BGR scene, small objects over large ones; no canvas per mask, as an image may be huge."""
    painted = scene.copy()
    for index in sorted(range(len(masks)), key=lambda index: -masks[index].area):
        y1, x1, y2, x2 = (side * factor for side in masks[index].box)
        pixels = _enlarged(masks[index].pixels.view(np.uint8), factor, cv2.INTER_NEAREST).view(bool)
        painted[y1:y2, x1:x2][pixels] = colors[index].as_bgr()
    return cv2.addWeighted(painted, OPACITY, scene, 1 - OPACITY, 0)


def _colors(detections: Detections | CompactDetections, class_colors: Mapping[str, str] | None) -> list[sv.Color]:
    if class_colors is None:
        return [sv.ColorPalette.DEFAULT.by_idx(index) for index in range(len(detections.boxes))]
    return [sv.Color.from_hex(class_colors[name]) for name in detections.class_names]


def _text_color(color: sv.Color) -> sv.Color:
    luma = 0.299 * color.r + 0.587 * color.g + 0.114 * color.b
    return sv.Color.BLACK if luma > DARKEST_FOR_BLACK_TEXT else sv.Color.WHITE
