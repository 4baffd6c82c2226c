"""Statistics of labelled data, pure functions of the records: counts, sizes, shapes, balance.

Regions to ignore (crowds, objects of the neutral class) count nowhere: they are not learnt.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.images.fit import fitted
from mrcnn.project.census import SMALLEST_SIDE
from mrcnn.report.records import SPLITS, DataFacts, ImageFacts, ObjectFacts

CELL = 4  # pixels of the model input: a cell of the finest level of the pyramid
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


class Fit(NamedTuple):
    """The rule that fits images into the model input.

    Attributes:
        min_dim: `input_size.min_dim`.
        max_dim: `input_size.max_dim`.
        rule: `model.image_fit`.
    """

    min_dim: int
    max_dim: int
    rule: str = "centred"

    def scale(self, size_hw: tuple[int, int]) -> tuple[float, float]:
        """Computes the factors (y, x) of an image of `size_hw` pixels."""
        _, (height, width) = fitted(*size_hw, min_dim=self.min_dim, max_dim=self.max_dim, fit=self.rule)
        return height / size_hw[0], width / size_hw[1]


class ClassCounts(NamedTuple):
    """The counts of one class.

    Attributes:
        title: of the class.
        objects: number of objects by split.
        images: number of images with an object, by split.
    """

    title: str
    objects: Counter[str]
    images: Counter[str]


class Small(NamedTuple):
    """How many objects of a class are small in the model input.

    Attributes:
        title: of the class.
        total: number of objects.
        vanished: shorter side under half a pixel, so that training leaves them out.
        cell: shorter side under `CELL` pixels.
        median: median of the shorter side, pixels of the model input.
    """

    title: str
    total: int
    vanished: int
    cell: int
    median: float


def learnt(data: DataFacts) -> Iterator[tuple[ImageFacts, ObjectFacts]]:
    """Yields the objects to learn, each with its image."""
    for image in data.images:
        for item in image.objects:
            if not item.ignored:
                yield image, item


def used_splits(data: DataFacts) -> tuple[str, ...]:
    """Lists the splits that have an image."""
    there = {image.split for image in data.images}
    return tuple(split for split in SPLITS if split in there)


def class_counts(data: DataFacts) -> list[ClassCounts]:
    """Counts objects and images of each class by split, in the order of the classes."""
    rows = {title: ClassCounts(title, Counter(), Counter()) for title in data.titles}
    for image in data.images:
        objects = Counter(item.title for item in image.objects if not item.ignored)
        for title, count in objects.items():
            rows[title].objects[image.split] += count
            rows[title].images[image.split] += 1
    return list(rows.values())


def imbalance(counts: Sequence[ClassCounts]) -> float:
    """Divides the objects of the most frequent class by those of the rarest one that has any; 1 without objects."""
    totals = [total for row in counts if (total := row.objects.total())]
    return max(totals) / min(totals) if totals else 1.0


def objects_per_image(data: DataFacts) -> list[int]:
    """Counts the objects to learn of each image."""
    return [sum(not item.ignored for item in image.objects) for image in data.images]


def aspect_ratios(data: DataFacts) -> np.ndarray:
    """Computes width / height of the box of each object, in the image: `[N]` float64."""
    return np.array([item.width / item.height for _, item in learnt(data)], np.float64)


def sides(data: DataFacts, fit: Fit | None = None) -> np.ndarray:
    """Computes height and width of the box of each object.

    Args:
        data: the records.
        fit: of the model input, in whose pixels the sides are; None for pixels of the image.

    Returns:
        `[N, 2]` float64.
    """
    found = []
    for image in data.images:
        factors = (1.0, 1.0) if fit is None else fit.scale(image.size_hw)
        found += [(o.height * factors[0], o.width * factors[1]) for o in image.objects if not o.ignored]
    return np.array(found, np.float64).reshape(-1, 2)


def mean_sides(values: np.ndarray) -> np.ndarray:
    """Computes the side of a square of each box's area: `[N, 2]` to `[N]`."""
    return np.sqrt(values.prod(axis=1))


def quantiles(values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    """Computes the quantiles `LEVELS`, interpolated linearly; zeros without values."""
    return tuple(np.quantile(values, LEVELS).tolist()) if len(values) else (0.0,) * len(LEVELS)


def small_objects(data: DataFacts, fit: Fit) -> list[Small]:
    """Counts the objects of each class that are small in the model input; classes without objects are left out."""
    shorter = sides(data, fit).min(axis=1, initial=np.inf)
    titles = np.array([item.title for _, item in learnt(data)], object)
    found = []
    for title in data.titles:
        own = shorter[titles == title] if len(titles) else shorter
        if len(own):
            small, cell = int((own < SMALLEST_SIDE).sum()), int((own < CELL).sum())
            found.append(Small(title, len(own), small, cell, float(np.median(own))))
    return found


def edges_of(values: np.ndarray, *, most: int = 24) -> list[float]:
    """Chooses the edges of a histogram on a logarithmic axis, four to a doubling or fewer.

    Args:
        values: above 0.
        most: largest number of bins.

    Returns:
        Increasing powers of 2 that enclose all values; none without values.
    """
    if not len(values):
        return []
    low, high = float(np.log2(values.min())), float(np.log2(values.max()))
    step = next(step for step in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0) if (high - low) / step + 2 <= most)
    first, last = int(np.floor(low / step)), int(np.floor(high / step)) + 1
    return [float(2.0 ** (number * step)) for number in range(first, last + 1)]


def histogram(values: np.ndarray, edges: Sequence[float]) -> list[int]:
    """Counts values by bins; each holds its lower edge, the last one its upper edge, too."""
    return np.histogram(values, edges)[0].tolist() if len(edges) > 1 else []
