"""A project of drawn scenes: sky and road, which are stuff, with discs and bars on them."""

from pathlib import Path

import cv2
import numpy as np

from mrcnn.project.annotation import Annotation, Label, Tag
from mrcnn.project.geometry import Bitmap
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.project.writer import ProjectWriter

SIDE = 128
STUFF = ("sky", "road")
COLORS = {"sky": (230, 200, 150), "road": (90, 90, 90), "disc": (40, 220, 250), "bar": (60, 40, 180)}


def masks_of(index: int) -> dict[str, np.ndarray]:
    """Draws a scene; gives the mask of each title, `[SIDE, SIDE]` bool; stuff lies below the things."""
    random = np.random.default_rng(index)
    left, right = random.integers(45, 80, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    sky = rows < left + (right - left) * columns / SIDE
    disc, bar = np.zeros((2, SIDE, SIDE), np.uint8)
    x, y = (int(value) for value in (random.integers(24, 44), random.integers(24, 104)))
    cv2.circle(disc, (x, y), 16, 1, -1)
    x, y = (int(value) for value in (random.integers(84, 104), random.integers(24, 104)))
    cv2.rectangle(bar, (x - 20, y - 11), (x + 20, y + 11), 1, -1)
    return {"sky": sky, "road": ~sky, "disc": disc > 0, "bar": bar > 0}


def draw(index: int) -> np.ndarray:
    """Draws the picture of a scene, `[SIDE, SIDE, 3]` uint8 BGR with noise."""
    image = np.zeros((SIDE, SIDE, 3))
    for title, mask in masks_of(index).items():
        image[mask] = COLORS[title]
    noise = np.random.default_rng(index).normal(0, 8, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def write_project(folder: Path, *, scenes: int = 2, repeats: int = 1) -> Path:
    """Writes scenes, each several times for training and once for validation."""
    meta = ProjectMeta(tuple(ClassMeta(title, "bitmap", f"#0000{index}0") for index, title in enumerate(COLORS)))
    with ProjectWriter(folder, meta.with_tags("train", "val")) as writer:
        for number in range(scenes * repeats):
            index = number % scenes
            image, masks = draw(index), masks_of(index)
            labels = tuple(Label(title, Bitmap((0, 0), mask)) for title, mask in masks.items())
            tags = (Tag("train"), *([Tag("val")] if number < scenes else []))
            annotation = Annotation((SIDE, SIDE), tags, labels)
            writer.add("ds", f"{number}.png", cv2.imencode(".png", image)[1].tobytes(), annotation=annotation)
    return folder
