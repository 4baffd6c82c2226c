"""Runs a model over parts of pictures, a batch at a time, across pictures.

A method says which parts of a picture are looked at and what becomes of what was found there; this file does the rest.
A picture is held until all its parts are done, so a run needs memory for a batch and the pictures it is made of.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from mrcnn.predict import compact, overlaps
from mrcnn.predict.sources import Picture
from mrcnn.predict.windows import Box
from mrcnn.structures import CompactDetections, Detections

FLIP_IOU = 0.5  # of masks, above which an object found in an image and in its mirror image is one


class PredictsWhole(Protocol):
    """Finds objects with masks of the image's size."""

    def predict(self, images: Iterable[np.ndarray], *, batch_size: int | None = None) -> Sequence[Detections]:
        """Finds the objects of each image."""


@runtime_checkable
class PredictsCompact(Protocol):
    """The same with each mask kept inside its box, which saves memory and is preferred."""

    def predict_compact(
        self, images: Iterable[np.ndarray], *, batch_size: int | None = None
    ) -> Sequence[CompactDetections]:
        """Finds the objects of each image."""


Predicts = PredictsWhole | PredictsCompact  # what looking needs of a predictor


class Region(NamedTuple):
    """A part of a picture that is looked at.

    Attributes:
        box: yxyx pixels of the image, exclusive ends, inside it.
        label: which of the picture's annotated objects it is for; None for none.
    """

    box: Box
    label: int | None = None


class Part(NamedTuple):
    """A part of what was found in a picture.

    Attributes:
        detections: in pixels of the image.
        label: which of the picture's annotated objects they belong to; None for none.
        box: to be written as a rectangle beside them; None for none.
    """

    detections: CompactDetections
    label: int | None = None
    box: Box | None = None


@dataclass(frozen=True)
class Found:
    """What was found in a picture.

    Attributes:
        parts: in the order in which they are written.
        size: height and width of the image.
        most: the most objects found in one region, before those of several regions were joined.
    """

    parts: tuple[Part, ...]
    size: tuple[int, int]
    most: int = 0

    @property
    def detections(self) -> CompactDetections:
        """The detections of all parts."""
        return compact.concatenate([part.detections for part in self.parts], size=self.size)


class Method(NamedTuple):
    """A way to look at a picture.

    Attributes:
        plan: the regions of a picture; raises `UserError` for a picture it does not fit.
        gather: makes parts of the regions and of what was found in each, in pixels of the image.
        flip: look at each region a second time, mirrored.
    """

    plan: Callable[[Picture], Sequence[Region]]
    gather: Callable[[Sequence[Region], Sequence[CompactDetections], tuple[int, int]], Iterable[Part]]
    flip: bool = False


OnError = Callable[[Picture, Exception], None]


def end_run(picture: Picture, error: Exception) -> None:
    """Raises what went wrong with a picture."""
    raise error


def look(
    predictor: Predicts, pictures: Iterable[Picture], method: Method, *, batch_size: int, on_error: OnError = end_run
) -> Iterator[tuple[Picture, Found]]:
    """Yields each picture, in order, with what was found in it.

    Args:
        predictor: the model.
        pictures: read no further ahead than a batch.
        method: how to look at them.
        batch_size: regions that go through the model at once.
        on_error: told of a picture that failed, and why, where it would have been yielded; the others go on.
    """
    waiting: deque[_Work] = deque()
    batch: list[tuple[_Work, Region]] = []
    for picture in pictures:
        work = _start(picture, method)
        waiting.append(work)
        for region in work.regions:
            batch.append((work, region))
            if len(batch) == batch_size:
                _run(predictor, batch, method, batch_size)
                batch = []
        yield from _finished(waiting, method, on_error)
    _run(predictor, batch, method, batch_size)
    yield from _finished(waiting, method, on_error)


@dataclass
class _Work:
    picture: Picture
    regions: Sequence[Region] = ()
    found: list[CompactDetections] = field(default_factory=list)
    error: Exception | None = None

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.picture.image.shape[:2]
        return height, width

    @property
    def is_done(self) -> bool:
        return self.error is not None or len(self.found) == len(self.regions)


def _start(picture: Picture, method: Method) -> _Work:
    try:
        return _Work(picture, method.plan(picture))
    except Exception as error:
        return _Work(picture, error=error)


def _run(predictor: Predicts, batch: list[tuple[_Work, Region]], method: Method, batch_size: int) -> None:
    """Looks at regions of any pictures; where that fails, at each alone, so that only what is bad fails."""
    batch = [(work, region) for work, region in batch if work.error is None]
    if not batch:
        return
    try:
        results = _find(predictor, [_crop(work, region) for work, region in batch], method.flip, batch_size)
    except Exception as error:
        if len(batch) == 1:
            batch[0][0].error = error
        else:
            for one in batch:
                _run(predictor, [one], method, batch_size)
        return
    for (work, region), found in zip(batch, results, strict=True):
        work.found.append(compact.moved(found, region.box[:2], size=work.size))


def _finished(waiting: deque[_Work], method: Method, on_error: OnError) -> Iterator[tuple[Picture, Found]]:
    while waiting and waiting[0].is_done:
        work = waiting.popleft()
        found = None
        if work.error is None:
            try:
                parts = tuple(method.gather(work.regions, work.found, work.size))
                found = Found(parts, work.size, max((len(each.masks) for each in work.found), default=0))
            except Exception as error:
                work.error = error
        if work.error is not None:
            on_error(work.picture, work.error)
        if found is not None:
            yield work.picture, found


def _find(predictor: Predicts, crops: list[np.ndarray], flip: bool, batch_size: int) -> list[CompactDetections]:
    found = _predict(predictor, crops, batch_size)
    if not flip:
        return found
    turned = _predict(predictor, [np.ascontiguousarray(crop[:, ::-1]) for crop in crops], batch_size)
    return [
        overlaps.suppress(
            compact.concatenate([straight, compact.mirrored(other)], size=straight.size), iou_threshold=FLIP_IOU
        )
        for straight, other in zip(found, turned, strict=True)
    ]


def _predict(predictor: Predicts, crops: list[np.ndarray], batch_size: int) -> list[CompactDetections]:
    if isinstance(predictor, PredictsCompact):
        return list(predictor.predict_compact(crops, batch_size=batch_size))
    return [compact.from_dense(found) for found in predictor.predict(crops, batch_size=batch_size)]


def _crop(work: _Work, region: Region) -> np.ndarray:
    y1, x1, y2, x2 = region.box
    return np.ascontiguousarray(work.picture.image[y1:y2, x1:x2])
