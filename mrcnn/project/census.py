"""Counts the objects of a set of images that training learns, ignores or leaves out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mrcnn.errors import counted
from mrcnn.images.fit import fitted
from mrcnn.project.listing import few

SMALLEST_SIDE = 0.5  # pixels of the model input; an object with a shorter side is not visible there


def seen(boxes: np.ndarray) -> np.ndarray:
    """Checks which boxes are large enough to be visible in the model input.

    Args:
        boxes: `[N, 4]`, yxyx pixels of the model input.

    Returns:
        `[N]` bool, true where both sides have at least `SMALLEST_SIDE`.
    """
    return np.asarray((boxes[:, 2:] - boxes[:, :2] >= SMALLEST_SIDE).all(axis=1))


@dataclass(frozen=True)
class Limits:
    """The settings that limit which objects are learnt, named as in the train config.

    Attributes:
        min_dim: `input_size.min_dim`.
        max_dim: `input_size.max_dim`.
        max_gt_instances: `model.max_gt_instances`; None where it follows the data.
        detections_per_image: `model.detections_per_image`.
        shape: of the model input, `rectangle` or `square`.
        fit: the rule that fits images into it, `model.image_fit`.
    """

    min_dim: int
    max_dim: int
    max_gt_instances: int | None
    detections_per_image: int
    shape: str = "square"
    fit: str = "centred"


@dataclass
class Census:
    """Counts the objects of one set of images; images are added one by one.

    Attributes:
        name: of the set, for the messages.
        limits: the settings.
        images: number of images added.
        objects: number of objects to learn by class title, including those too small to be visible.
        small: number of objects to learn that are too small.
        small_in: names of the images with such objects.
        crowds: number of crowd objects, which are regions to ignore.
        neutral: number of objects of the neutral class, also regions to ignore.
        left_out: number of objects that cannot be drawn or lie outside their image.
        slots: by image name, the number of visible objects and regions to ignore, each a slot of a batch.
    """

    name: str
    limits: Limits
    images: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    small: int = 0
    small_in: list[str] = field(default_factory=list)
    crowds: int = 0
    neutral: int = 0
    left_out: int = 0
    slots: dict[str, int] = field(default_factory=dict)

    def add(
        self,
        name: str,
        size_hw: tuple[int, int],
        *,
        boxes: np.ndarray,
        titles: Sequence[str],
        ignored: Sequence[str | None],
        left_out: int = 0,
    ) -> None:
        """Counts an image.

        Args:
            name: of the image.
            size_hw: its height and width.
            boxes: `[N, 4]`, yxyx pixels of the image: the box of the drawn pixels of each object.
            titles: class title of each object.
            ignored: for each object "crowd" or "neutral" for a region to ignore, None for an object to learn.
            left_out: number of further objects of the image, which have no box.
        """
        limits = self.limits
        _, new_hw = fitted(*size_hw, min_dim=limits.min_dim, max_dim=limits.max_dim, fit=limits.fit)
        scale = np.array(new_hw * 2, np.float64) / np.array(size_hw * 2, np.float64)
        visible = seen(np.asarray(boxes, np.float64).reshape(-1, 4) * scale)
        learnt = np.array([reason is None for reason in ignored], bool)
        self.images += 1
        self.objects.update(title for title, reason in zip(titles, ignored, strict=True) if reason is None)
        small = int((learnt & ~visible).sum())
        self.small += small
        if small:
            self.small_in.append(name)
        self.crowds += sum(reason == "crowd" for reason in ignored)
        self.neutral += sum(reason == "neutral" for reason in ignored)
        self.left_out += left_out
        self.slots[name] = int(visible.sum())

    @property
    def largest(self) -> tuple[str, int]:
        """The name of the image with the most slots, and their number.

        The first of several such images; `("", 0)` without images.
        """
        return max(self.slots.items(), key=lambda item: item[1], default=("", 0))

    def refusal(self) -> str | None:
        """Writes the reason why training refuses the set; None where it does not."""
        total = self.objects.total()
        if not self.images:
            return f"the {self.name} set has no image"
        if not total:
            return f"the {self.name} set has no object of a class to learn in its {self.images} images; annotate some"
        if self.small == total:
            return (
                f"all {total} objects of the {self.name} set are under half a pixel at the model's input of "
                f"{self._side}: nothing is left to learn; raise `input_size.max_dim`, or cut the images into tiles"
            )
        return None

    def remarks(self, titles: Sequence[str] = ()) -> Iterator[str]:
        """Yields one line for each kind of annotation that training does not fully use.

        Args:
            titles: the classes to learn; a line names those without an object.
        """
        without = [title for title in titles if not self.objects[title]]
        if without:
            yield f"{self.name} set: no object of {len(without)} classes ({few(without)})"
        if self.small:
            yield (
                f"{self.name} set: {self.small} of {self.objects.total()} objects are under half a pixel at the "
                f"model's input of {self._side} and are not learnt ({few(self.small_in)}); raise `input_size.max_dim`"
            )
        if self.crowds or self.neutral:
            yield (
                f"{self.name} set: {counted(self.crowds, 'crowd')} and {counted(self.neutral, 'neutral object')} taken "
                "as regions to ignore: not learnt, and detections there are not false positives"
            )
        if self.left_out:
            left_out = counted(self.left_out, "object")
            yield f"{self.name} set: {left_out} left out, outside the image or of an unknown shape"
        yield from self._crowded()

    @property
    def _side(self) -> str:
        most = "at most " if self.limits.shape == "rectangle" else ""
        return f"{most}{self.limits.max_dim}x{self.limits.max_dim}"

    def _crowded(self) -> Iterator[str]:
        name, most = self.largest
        limit = self.limits.max_gt_instances
        if limit is not None and most > limit:
            over = sum(count > limit for count in self.slots.values())
            yield (
                f"{self.name} set: {counted(over, 'image')} with more than {counted(limit, 'object')}, the most is "
                f"{most} in {name}: each time a random choice of {limit} is learnt and the others count as background; "
                "raise `model.max_gt_instances`"
            )
        if most > self.limits.detections_per_image:
            yield (
                f"{self.name} set: {name} has {most} objects, but at most {self.limits.detections_per_image} are "
                "found in an image; raise `model.detections_per_image`"
            )
