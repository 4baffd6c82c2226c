"""What a prediction can be turned into; the methods of `structures.Detections` import this module when called."""

import html
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from mrcnn import optional
from mrcnn.annotate import coco_results
from mrcnn.predict import compact, inputs
from mrcnn.structures import Detections

DRAW = "mrcnn.annotate.draw"


def to_dicts(found: Detections) -> list[dict[str, Any]]:
    """Converts detections to plain dictionaries, rows of a table.

    Returns:
        For each detection `class`, `class_id`, `score`, `x1`, `y1`, `x2`, `y2` in pixels of the image, `area` of the
        mask in pixels, and the extra fields as lists.
    """
    areas = found.masks.sum(axis=(1, 2))
    return [
        {
            "class": name,
            "class_id": int(found.class_ids[row]),
            "score": float(found.scores[row]),
            **dict(zip(("y1", "x1", "y2", "x2"), map(float, found.boxes[row]), strict=True)),
            "area": int(areas[row]),
            **{key: np.asarray(values[row]).tolist() for key, values in found.extras.items()},
        }
        for row, name in enumerate(found.class_names)
    ]


def to_coco(found: Detections, *, image_id: int = 1) -> list[dict[str, Any]]:
    """Converts detections to entries of a COCO results list, with run-length encoded masks."""
    return [{"image_id": image_id, **entry} for entry in coco_results.entries(compact.from_dense(found))]


def to_supervision(found: Detections) -> Any:
    """Converts detections to a `supervision.Detections`.

    Raises:
        UserError: the package is not installed; the message holds the command that installs it.
    """
    return optional.load(DRAW, extra="draw", purpose="to_supervision").to_supervision(found)


def plot(found: Detections, image: inputs.Input, *, class_colors: Mapping[str, str] | None = None) -> Image.Image:
    """Draws detections over their image; a notebook shows the result.

    Args:
        found: the detections.
        image: the image, as for `Predictor.predict`.
        class_colors: `#RRGGBB` by class name; None gives each object its own colour.

    Raises:
        ValueError: the image cannot be read, or has another size than the one the detections are of.
        UserError: the packages that draw are not installed; the message holds the command that installs them.
    """
    pixels = _rgb(inputs.read(image, channels=3))
    if pixels.shape[:2] != found.masks.shape[1:]:
        raise ValueError(
            f"the image has {pixels.shape[0]}x{pixels.shape[1]} pixels (height x width), the detections are of one "
            f"with {found.masks.shape[1]}x{found.masks.shape[2]}"
        )
    module = optional.load(DRAW, extra="draw", purpose="plot")
    return Image.fromarray(module.draw(pixels, found, class_colors=class_colors))


def to_html(found: Detections) -> str:
    """Writes the detections as an HTML table."""
    rows = [
        f"<tr><td>{html.escape(item['class'])}</td><td>{item['score']:.3f}</td>"
        f"<td>{', '.join(f'{item[side]:.1f}' for side in ('x1', 'y1', 'x2', 'y2'))}</td><td>{item['area']}</td></tr>"
        for item in to_dicts(found)
    ]
    head = "<tr><th>class</th><th>score</th><th>x1, y1, x2, y2</th><th>mask, pixels</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>" if rows else "<p>no objects</p>"


def _rgb(pixels: np.ndarray) -> np.ndarray:
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    return np.ascontiguousarray(pixels[..., :3]) if pixels.shape[-1] >= 3 else np.repeat(pixels[..., :1], 3, axis=-1)
