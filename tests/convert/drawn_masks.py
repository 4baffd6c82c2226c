"""Draws images and instance masks in the layout of Penn-Fudan."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SIZE_HW = (48, 64)
PALETTE = [0, 0, 0, 200, 0, 0, 200, 0, 0, 0, 0, 200] + [90, 90, 90] * 252  # indices 1 and 2 share a colour


def people(index: int) -> np.ndarray:
    """Draws a mask of two upright ellipses, 1 and 2; `[48, 64]` uint8. Every fourth image has one."""
    random = np.random.default_rng(index)
    mask = np.zeros(SIZE_HW, np.uint8)
    for value in (1, 2) if index % 4 else (1,):
        x, y = 32 * (value - 1) + int(random.integers(10, 22)), int(random.integers(18, 30))
        cv2.ellipse(mask, (x, y), (6, 14), 0, 0, 360, value, -1)
    return mask


def photograph(mask: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Draws the image of a mask: bright objects on dark noise; `[H, W, 3]` uint8."""
    image = np.random.default_rng(seed).integers(0, 60, (*mask.shape, 3)).astype(np.uint8)
    image[mask > 0] += 150
    return image


def save(path: Path, values: np.ndarray, **options: object) -> Path:
    """Writes an array, RGB where it has three channels; the extension of the path is the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)
    return path


def save_palette(path: Path, indices: np.ndarray, *, palette: list[int] = PALETTE) -> Path:
    """Writes indices as a palette file."""
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette(palette)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def write_penn_fudan(root: Path, *, count: int = 10) -> Path:
    """Writes `PNGImages` and `PedMasks` as Penn-Fudan has them, and a text file beside the masks' folder."""
    for index in range(1, count + 1):
        name = f"FudanPed{index:05d}"
        mask = people(index)
        save(root / "PNGImages" / f"{name}.png", photograph(mask, seed=index))
        save(root / "PedMasks" / f"{name}_mask.png", mask)
    (root / "readme.txt").write_text("drawn\n")
    return root
