"""Draws a project of four kinds of scenes that detectors find hard, for `benchmarks.accuracy`.

    python -m benchmarks.scenes --out PROJECT

The kinds alternate: many small objects, few large ones, overlapping ones and thin ones. Objects are blobs, stars and
sticks, cut out of one texture and pasted on another, so that neither colour nor brightness separates them from the
background. The objects of training and validation images are cut out of different photographs of scikit-image.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from skimage import data

from mrcnn.project.annotation import Annotation, Label, Tag
from mrcnn.project.geometry import Bitmap
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta
from mrcnn.project.writer import ProjectWriter

CLASSES = ("blob", "star", "stick")
GROUNDS = (data.grass, data.gravel, data.brick)
PICTURES = {  # photographs that objects are cut out of
    "train": (data.coffee, data.astronaut, data.immunohistochemistry),
    "val": (data.chelsea, data.rocket, data.retina),
}
MOST_HIDDEN = 0.6  # share of an object that later ones may cover
PLACES = 30  # random places tried for each object


class Kind(NamedTuple):
    """One kind of scene.

    Attributes:
        name: used in the images' file names.
        count: least and most objects.
        size: least and most length of an object, as a fraction of the image's side.
        classes: classes that objects are drawn from.
        spread: fraction of the image's side over which object centres are spread.
    """

    name: str
    count: tuple[int, int]
    size: tuple[float, float]
    classes: tuple[str, ...]
    spread: float = 1.0  # 1: centres lie anywhere in the image; less: around its middle


KINDS = (
    Kind("small", (15, 30), (0.04, 0.09), ("blob", "star")),
    Kind("large", (2, 3), (0.35, 0.65), ("blob", "star")),
    Kind("overlapping", (7, 11), (0.18, 0.32), ("blob", "star"), 0.5),
    Kind("thin", (5, 9), (0.25, 0.6), ("stick",)),
)
MIXED = Kind("mixed", (2, 4), (0.3, 0.6), CLASSES)


def make_scenes(out_dir: Path, *, train: int, val: int, side: int, seed: int, kinds: Sequence[Kind] = KINDS) -> None:
    """Draws all scenes and writes them as a project.

    Args:
        out_dir: new or empty folder.
        train: number of training images; the kinds alternate.
        val: number of validation images; the kinds alternate.
        side: height and width of each image in pixels.
        seed: seed of all random choices.
        kinds: the kinds of scenes.
    """
    meta = ProjectMeta(
        tuple(ClassMeta(name) for name in CLASSES), (TagMeta("train"), TagMeta("val")), {"projectType": "images"}
    )
    rng = np.random.default_rng(seed)
    with ProjectWriter(out_dir, meta) as writer:
        for tag, count in (("train", train), ("val", val)):
            grounds = [_picture(make) for make in GROUNDS]
            pictures = [_picture(make) for make in PICTURES[tag]]
            for index in range(count):
                kind = kinds[index % len(kinds)]
                image, objects = draw_scene(kind, grounds=grounds, pictures=pictures, side=side, rng=rng)
                labels = tuple(Label(name, Bitmap.from_canvas(mask)) for name, mask in objects)
                _, png = cv2.imencode(".png", image[..., ::-1])
                name = f"{tag}_{index:03d}_{kind.name}.png"
                writer.add("scenes", name, png.tobytes(), annotation=Annotation((side, side), (Tag(tag),), labels))


def draw_mixed(options: argparse.Namespace) -> Path:
    """Draws scenes of a few objects of all classes as a project in the output folder, and returns its path.

    Args:
        options: `out`, `train`, `val` and `side` are read.
    """
    project = options.out / "project"
    make_scenes(project, train=options.train, val=options.val, side=options.side, seed=0, kinds=(MIXED,))
    return project


def draw_scene(
    kind: Kind, *, grounds: Sequence[np.ndarray], pictures: Sequence[np.ndarray], side: int, rng: np.random.Generator
) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    """Draws one scene; later objects cover earlier ones.

    Returns:
        The image `[side, side, 3]` uint8 RGB, and for each object its class and its visible mask `[side, side]` bool,
        never empty.
    """
    image = _texture(grounds, side, rng)
    objects: list[tuple[str, np.ndarray]] = []
    areas: list[int] = []
    for _ in range(rng.integers(kind.count[0], kind.count[1] + 1)):
        name = str(rng.choice(kind.classes))
        outline = _outline(name, rng.uniform(*kind.size) * side, rng)
        for _ in range(PLACES):
            centre = side * (0.5 + kind.spread * rng.uniform(-0.5, 0.5, 2))
            drawn = np.zeros((side, side), np.uint8)
            cv2.fillPoly(drawn, [np.rint(outline + centre).astype(np.int32)], 1)
            mask = drawn.astype(bool)
            visible = [int((other & ~mask).sum()) for _, other in objects]
            if mask.sum() >= 8 and all(
                now >= (1 - MOST_HIDDEN) * area for now, area in zip(visible, areas, strict=True)
            ):
                objects = [(other, shape & ~mask) for other, shape in objects] + [(name, mask)]
                areas.append(int(mask.sum()))
                image = np.where(mask[..., None], _texture(pictures, side, rng), image)
                break
    return cv2.GaussianBlur(image, (3, 3), 0.6), objects


def _picture(make) -> np.ndarray:
    pixels = make()
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _texture(pictures: Sequence[np.ndarray], side: int, rng: np.random.Generator) -> np.ndarray:
    """Cuts a random square out of a random picture, rotated and tinted at random."""
    picture = pictures[rng.integers(len(pictures))]
    size = rng.integers(min(picture.shape[:2]) // 3, min(picture.shape[:2]))
    top, left = (rng.integers(0, length - size) for length in picture.shape[:2])
    square = cv2.resize(picture[top : top + size, left : left + size], (side, side), interpolation=cv2.INTER_AREA)
    square = np.rot90(square, rng.integers(4))
    tinted = square * rng.uniform(0.6, 1.2, 3) + rng.uniform(-20, 30)
    return np.clip(tinted, 0, 255).astype(np.uint8)


def _outline(name: str, size: float, rng: np.random.Generator) -> np.ndarray:
    """Draws the outline of an object `size` pixels long around the origin: `[points, 2]`, xy."""
    turn = rng.uniform(0, 2 * np.pi)
    if name == "stick":
        half = np.array([size, max(3.0, size * rng.uniform(0.04, 0.09))]) / 2
        points = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        return points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    angles = np.linspace(0, 2 * np.pi, 60 if name == "blob" else 10, endpoint=False)
    if name == "star":
        radii = np.where(np.arange(10) % 2, rng.uniform(0.4, 0.55), 1.0)
    else:
        waves = sum(rng.uniform(0, 0.25) * np.cos(n * angles + rng.uniform(0, 2 * np.pi)) for n in (2, 3, 4))
        radii = (1 + waves) / (1 + waves).max()
    return size / 2 * radii[:, None] * np.stack((np.cos(angles + turn), np.sin(angles + turn)), axis=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scenes", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="PROJECT", help="new or empty folder")
    parser.add_argument("--train", type=int, default=100, help="number of training images (100)")
    parser.add_argument("--val", type=int, default=40, help="number of validation images (40)")
    parser.add_argument("--side", type=int, default=256, help="their height and width in pixels (256)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    make_scenes(options.out, train=options.train, val=options.val, side=options.side, seed=options.seed)


if __name__ == "__main__":
    main()
