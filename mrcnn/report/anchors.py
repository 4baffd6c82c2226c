"""Suggests anchors and a size of the model input for the objects of a data set, as a config.

Anchors: of sizes that double from level to level, as the pyramid's strides do, and of three aspect ratios, so that
the layers of a published model still fit. The one set is chosen of which an anchor reaches the IoU `GOOD` with the most
objects, both having the same centre; the default set unless another is clearly better.
Input size: the smallest of `INPUTS` at which few objects are smaller than the finest level shows.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.report import statistics
from mrcnn.report.records import DataFacts
from mrcnn.report.statistics import CELL, Fit

GOOD = 0.5  # IoU of an object with its best anchor
SIZES = (32.0, 64.0, 128.0, 256.0, 512.0)  # the default
FIRST_SIZES = (8.0, 12.0, 16.0, 24.0, 32.0, 48.0)  # of the finest level
GROWTHS = (2**0.5, 2.0)  # from level to level
RATIOS = (0.5, 1.0, 2.0)  # the default, width / height
BETTER = 0.01  # share of objects by which another set must be better than the default
INPUTS = (256, 320, 384, 512, 640, 768, 1024, 1280)  # `max_dim`, multiples of 64
STEP = 32  # pixels: `min_dim` is a multiple of it
SMALL_SHARE, TYPICAL = 0.01, 16.0  # largest share of objects under `CELL` pixels; least of the lower quartile's side
ENLARGED = 2.0  # an input larger than the images by more than this shows nothing new
MOST = 20_000  # objects that are compared with anchors, evenly spread


class Anchors(NamedTuple):
    """A set of anchors.

    Attributes:
        sizes: side of the anchors of each level, pixels of the model input.
        ratios: width / height.
        reached: share of the objects whose best anchor has at least the IoU `GOOD`.
    """

    sizes: tuple[float, ...]
    ratios: tuple[float, ...]
    reached: float


class Suggestion(NamedTuple):
    """What fits the objects of a data set.

    Attributes:
        fit: the size of the model input.
        anchors: for that size.
        default: the default anchors at that size.
        tiles: whether even the largest input leaves many objects too small, so that images should be cut into tiles.
        most_objects: largest number of objects in an image.
    """

    fit: Fit
    anchors: Anchors
    default: Anchors
    tiles: bool
    most_objects: int


def suggest(data: DataFacts, *, rule: str = "centred") -> Suggestion | None:
    """Suggests input size and anchors.

    Args:
        data: the records.
        rule: `model.image_fit`.

    Returns:
        None without an object.
    """
    if not any(True for _ in statistics.learnt(data)):
        return None
    fit, tiles = choose_input(data, rule=rule)
    found = statistics.sides(data, fit)
    found = found[:: -(-len(found) // MOST)]
    anchors, default = choose_anchors(found)
    return Suggestion(fit, anchors, default, tiles, max(statistics.objects_per_image(data)))


def choose_input(data: DataFacts, *, rule: str = "centred") -> tuple[Fit, bool]:
    """Chooses the smallest input at which the objects are large enough.

    Args:
        data: the records, with an object.
        rule: `model.image_fit`.

    Returns:
        The size, and whether many objects are too small even at the largest size that is sensible for the images.
    """
    sizes = np.array([image.size_hw for image in data.images], np.float64)
    longest, share = float(np.median(sizes.max(axis=1))), float(np.median(sizes.min(axis=1) / sizes.max(axis=1)))
    sensible = [side for side in INPUTS if side <= ENLARGED * longest] or [INPUTS[0]]
    fits = [Fit(max(STEP, int(side * share) // STEP * STEP), side, rule) for side in sensible]
    for fit in fits:
        if _large_enough(statistics.sides(data, fit)):
            return fit, False
    return fits[-1], True


def choose_anchors(sides: np.ndarray) -> tuple[Anchors, Anchors]:
    """Chooses anchors for boxes.

    Args:
        sides: `[N, 2]`, height and width in pixels of the model input, N at least 1.

    Returns:
        The chosen and the default anchors.
    """
    default = Anchors(SIZES, RATIOS, reached(sides, SIZES, RATIOS))
    best = default
    for ratios in dict.fromkeys((RATIOS, ratios_of(sides))):
        for growth in reversed(GROWTHS):
            for first in FIRST_SIZES:
                sizes = tuple(round(first * growth**level, 1) for level in range(len(SIZES)))
                share = reached(sides, sizes, ratios)
                if share > best.reached + (BETTER if best is default else 1e-9):
                    best = Anchors(sizes, ratios, share)
    return best, default


def ratios_of(sides: np.ndarray) -> tuple[float, ...]:
    """Computes three aspect ratios: the quantiles 1/6, 1/2 and 5/6 of those of the boxes, rounded to two digits.

    Args:
        sides: `[N, 2]`, height and width, N at least 1.
    """
    logs = np.quantile(np.log(sides[:, 1] / sides[:, 0]), (1 / 6, 1 / 2, 5 / 6))
    return tuple(float(f"{value:.2g}") for value in np.exp(logs).tolist())


def reached(sides: np.ndarray, sizes: Sequence[float], ratios: Sequence[float]) -> float:
    """Computes the share of boxes whose best anchor has at least the IoU `GOOD`, centres being equal.

    Args:
        sides: `[N, 2]`, height and width in pixels of the model input, N at least 1.
        sizes: side of the anchors of each level.
        ratios: width / height; the area of an anchor is that of a square of its size.
    """
    best = np.zeros(len(sides))
    for size in sizes:
        for ratio in ratios:
            height, width = size / ratio**0.5, size * ratio**0.5
            shared = np.minimum(sides[:, 0], height) * np.minimum(sides[:, 1], width)
            best = np.maximum(best, shared / (sides.prod(axis=1) + height * width - shared))
    return float((best >= GOOD).mean())


def config_of(found: Suggestion) -> dict[str, dict[str, object]]:
    """Writes a suggestion as keys of a train config; keys that keep their default are left out."""
    model: dict[str, object] = {}
    if found.anchors.sizes != SIZES:
        model["anchor_sizes"] = [_short(size) for size in found.anchors.sizes]
    if found.anchors.ratios != RATIOS:
        model["anchor_aspect_ratios"] = [*found.anchors.ratios]
    if found.most_objects > 100:
        model["detections_per_image"] = -(-found.most_objects * 5 // 4 // 50) * 50
    size: dict[str, object] = {"min_dim": found.fit.min_dim, "max_dim": found.fit.max_dim}
    return {"input_size": size, **({"model": model} if model else {})}


def as_json(config: Mapping[str, Mapping[str, object]]) -> str:
    """Writes a config with one key of each section to a line."""
    sections = []
    for name, values in config.items():
        lines = ",\n".join(f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items())
        sections.append(f"  {json.dumps(name)}: {{\n{lines}\n  }}")
    return "{\n" + ",\n".join(sections) + "\n}"


def _short(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _large_enough(sides: np.ndarray) -> bool:
    small = (sides.min(axis=1) < CELL).mean()
    return bool(small <= SMALL_SHARE and np.quantile(statistics.mean_sides(sides), 0.25) >= TYPICAL)
