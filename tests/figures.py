"""Drawn figures with keypoints: a head, two hands and two feet, of which left is green and right is red."""

import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

NAMES = ("head", "left_hand", "right_hand", "left_foot", "right_foot")
SKELETON = [[1, 2], [1, 3], [1, 4], [1, 5]]  # COCO counts from 1
SIDE = 128
_LEFT, _RIGHT, _BODY, _HEAD = (60, 220, 90), (230, 70, 60), (200, 200, 210), (250, 220, 120)


class Figure(NamedTuple):
    """One drawn figure.

    Attributes:
        mask: `[H, W]` bool.
        points: `[5, 3]` integers: x, y and v as in COCO, in the order of `NAMES`.
    """

    mask: np.ndarray
    points: np.ndarray


def draw(seed: int, *, count: int = 1, side: int = SIDE) -> tuple[np.ndarray, list[Figure]]:
    """Draws figures next to each other on a dark ground with noise; every fourth hand is marked as hidden."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 50, (side, side, 3)).astype(np.uint8)
    width, figures = side / count, []
    for number in range(count):
        centre = width * (number + 0.5), side * 0.5
        size = min(width, side) * rng.uniform(0.36, 0.42)
        facing = 1 if (seed + number) % 2 else -1
        figures.append(_figure(image, rng, centre=centre, size=size, facing=facing))
    return image, figures


def write_coco(
    folder: Path, *, images: int, count: int = 1, side: int = SIDE, different: int | None = None
) -> tuple[Path, Path]:
    """Writes drawn images as COCO data: the annotation file and the folder of images.

    Args:
        folder: where they go, a new folder.
        images: number of images.
        count: figures of an image.
        side: of an image in pixels.
        different: number of images that differ, whose copies are the others; None for all.
    """
    (folder / "img").mkdir(parents=True)
    listed, annotations = [], []
    for index in range(images):
        image, figures = draw(index % (different or images), count=count, side=side)
        cv2.imwrite(str(folder / "img" / f"{index}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        listed.append({"id": index, "file_name": f"{index}.png", "height": side, "width": side})
        for figure in figures:
            edges = np.flatnonzero(np.diff(figure.mask.T.reshape(-1), prepend=False, append=False))
            counts = np.diff(edges, prepend=0, append=figure.mask.size).tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": index, "category_id": 1, "iscrowd": 0,
                    "segmentation": {"size": [side, side], "counts": counts},
                    "keypoints": figure.points.reshape(-1).tolist(),
                    "num_keypoints": int(np.count_nonzero(figure.points[:, 2])),
                }
            )  # fmt: skip
    category = {"id": 1, "name": "figure", "keypoints": list(NAMES), "skeleton": SKELETON}
    content = {"images": listed, "annotations": annotations, "categories": [category]}
    (folder / "figures.json").write_text(json.dumps(content))
    return folder / "figures.json", folder / "img"


def _figure(
    image: np.ndarray, rng: np.random.Generator, *, centre: tuple[float, float], size: float, facing: int
) -> Figure:
    """Draws one figure; its own left is at the right of the image where `facing` is 1, else at the left."""
    x, y = centre
    jitter = rng.uniform(-0.15, 0.15, (5, 2)) * size
    offsets = np.array([[0, -0.9], [0.7, -0.4], [-0.7, -0.4], [0.45, 0.9], [-0.45, 0.9]]) * size
    offsets[:, 0] *= facing
    places = np.round(offsets + jitter + (x, y)).astype(int)
    mask = np.zeros(image.shape[:2], np.uint8)
    neck, hip, thick = (round(x), round(y - 0.45 * size)), (round(x), round(y + 0.25 * size)), max(3, round(size / 5))

    def stroke(start, end, color):
        for canvas, value in ((image, color), (mask, 1)):
            cv2.line(canvas, start, end, value, thick)

    stroke(neck, hip, _BODY)
    stroke(neck, places[0].tolist(), _BODY)
    for row, color in ((1, _LEFT), (2, _RIGHT), (3, _LEFT), (4, _RIGHT)):
        stroke(neck if row < 3 else hip, places[row].tolist(), color)
    for canvas, value in ((image, _HEAD), (mask, 1)):
        cv2.circle(canvas, places[0].tolist(), round(size / 5), value, -1)
    seen = np.full(5, 2)
    seen[1 + rng.integers(0, 4)] = 1
    return Figure(mask > 0, np.concatenate([places, seen[:, None]], axis=1))
