"""Draws what several models find in one image, side by side, for the pictures of docs/heads.md.

    python -m benchmarks.side_by_side IMAGE --out PICTURE.jpg --crop Y1 X1 Y2 X2 TITLE=MODEL TITLE=MODEL ...

Each model is applied to the whole image; the crop, in pixels of the image, is what is shown of it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from mrcnn import events, files
from mrcnn.annotate import draw
from mrcnn.errors import UserError
from mrcnn.images import letters, pixels
from mrcnn.predict.predictor import Predictor

WIDTH = 420  # pixels of each picture
GAP = 8  # pixels between pictures
CAPTION = 26  # pixels of height above each picture
TEXT = 16  # pixels
WHITE, BLACK = 255, (0, 0, 0)


def main(options: argparse.Namespace) -> None:
    """Draws the panels and writes the picture; the suffix of `--out` chooses the format."""
    image = pixels.read_image(options.image)
    panels = []
    for title, model in options.models:
        predictor = Predictor.load(model, device=options.device)
        picture = draw.draw(image, predictor.predict([image])[0], fields=predictor.fields)
        panels.append(panel(cropped(picture, image.shape, crop=options.crop), title))
    with files.writing("the picture", options.out), files.replaced(options.out) as partial:
        partial.write_bytes(draw.encode(row(panels), options.out.suffix))


def cropped(picture: np.ndarray, image_shape: Sequence[int], *, crop: Sequence[int] | None) -> np.ndarray:
    """Cuts a part out of a picture that is a whole multiple of its image.

    Args:
        picture: `[k * H, k * W, 3]` uint8.
        image_shape: `H, W, ...`.
        crop: y1, x1, y2, x2 in pixels of the image; None for all of it.

    Raises:
        UserError: the crop is empty or leaves the image.
    """
    height, width = image_shape[:2]
    y1, x1, y2, x2 = crop or (0, 0, height, width)
    if not (0 <= y1 < y2 <= height and 0 <= x1 < x2 <= width):
        raise UserError(f"--crop must be Y1 X1 Y2 X2 inside {height} x {width} pixels, got {y1} {x1} {y2} {x2}")
    factor = picture.shape[0] // height
    return picture[y1 * factor : y2 * factor, x1 * factor : x2 * factor]


def panel(picture: np.ndarray, title: str) -> np.ndarray:
    """Scales a picture to `WIDTH` and writes a title above it.

    Args:
        picture: `[h, w, 3]` uint8 RGB.
        title: one line.

    Returns:
        `[H, WIDTH, 3]` uint8 RGB.
    """
    height = max(1, round(picture.shape[0] * WIDTH / picture.shape[1]))
    way = cv2.INTER_AREA if picture.shape[1] > WIDTH else cv2.INTER_CUBIC
    scaled = cv2.resize(np.ascontiguousarray(picture), (WIDTH, height), interpolation=way)
    head = Image.new("RGB", (WIDTH, CAPTION), (WHITE, WHITE, WHITE))
    ImageDraw.Draw(head).text((2, (CAPTION - TEXT) // 2), title, fill=BLACK, font=letters.font(TEXT))
    return np.concatenate([np.asarray(head), scaled])


def row(panels: Sequence[np.ndarray]) -> np.ndarray:
    """Joins pictures of one height with white gaps, `[H, W, 3]` uint8."""
    gap = np.full((panels[0].shape[0], GAP, 3), WHITE, np.uint8)
    return np.concatenate([part for one in panels for part in (gap, one)][1:], axis=1)


def _model(text: str) -> tuple[str, str]:
    title, mark, model = text.partition("=")
    if not (title and mark and model):
        raise argparse.ArgumentTypeError(f"must be TITLE=MODEL, got {text}")
    return title, model


def _parse(argv: Sequence[str] | None = None) -> Any:
    parser = argparse.ArgumentParser(description=str(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path, metavar="IMAGE")
    parser.add_argument("models", type=_model, nargs="+", metavar="TITLE=MODEL", help="model folder or run")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".jpg or .png")
    parser.add_argument("--crop", type=int, nargs=4, metavar=("Y1", "X1", "Y2", "X2"), help="pixels of the image")
    parser.add_argument("--device", metavar="cpu|N")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run_log = events.make_log()
    sys.exit(events.run_main(lambda: main(_parse()), log=run_log))
