"""Applies a model to regions of pictures, in batches that may span several pictures.

A `Method` selects the regions of a picture and combines their detections. A picture is kept in memory until all its
regions are done, so a run needs memory for one batch and the pictures its regions come from.
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

FLIP_IOU = 0.5  # mask IoU above which detections of an image and of its mirror image are one object


class PredictsWhole(Protocol):
    """A predictor whose masks have the image's size."""

    def predict(self, images: Iterable[np.ndarray], *, batch_size: int | None = None) -> Sequence[Detections]:
        """Finds the objects of each image."""


@runtime_checkable
class PredictsCompact(Protocol):
    """A predictor whose masks are cropped to their boxes; preferred, as it needs less memory."""

    def predict_compact(
        self, images: Iterable[np.ndarray], *, batch_size: int | None = None
    ) -> Sequence[CompactDetections]:
        """Finds the objects of each image."""


Predicts = PredictsWhole | PredictsCompact  # the predictors that `look` accepts


class Region(NamedTuple):
    """A region of a picture that the model is applied to.

    Attributes:
        box: yxyx pixels of the image, exclusive ends, inside the image.
        label: index of the annotated object that the region belongs to; None without one.
    """

    box: Box
    label: int | None = None


class Part(NamedTuple):
    """Detections of a picture that are written together.

    Attributes:
        detections: the detections, in pixels of the image.
        label: index of the annotated object that they belong to; None without one.
        box: a rectangle to write after them, yxyx pixels of the image, exclusive ends; None without one.
    """

    detections: CompactDetections
    label: int | None = None
    box: Box | None = None


@dataclass(frozen=True)
class Found:
    """The detections of a picture.

    Attributes:
        parts: groups of detections, in the order in which they are written.
        size: height and width of the image.
        most: largest number of detections in one region, before the regions were combined.
    """

    parts: tuple[Part, ...]
    size: tuple[int, int]
    most: int = 0

    @property
    def detections(self) -> CompactDetections:
        """The detections of all parts."""
        return compact.concatenate([part.detections for part in self.parts], size=self.size)


class Method(NamedTuple):
    """How the regions of a picture are selected and their detections combined.

    Attributes:
        plan: computes the regions of a picture; raises `UserError` for a picture that the mode cannot handle.
        gather: combines the regions, the detections of each region (in pixels of the image) and the image's height and
            width to parts.
        flip: apply the model to the mirror image of each region too.
    """

    plan: Callable[[Picture], Sequence[Region]]
    gather: Callable[[Sequence[Region], Sequence[CompactDetections], tuple[int, int]], Iterable[Part]]
    flip: bool = False


OnError = Callable[[Picture, Exception], None]


def end_run(picture: Picture, error: Exception) -> None:
    """Raises the error of a picture, which ends the run."""
    raise error


def look(
    predictor: Predicts, pictures: Iterable[Picture], method: Method, *, batch_size: int, on_error: OnError = end_run
) -> Iterator[tuple[Picture, Found]]:
    """Yields each picture with its detections, in the order of the pictures.

    Args:
        predictor: the model.
        pictures: the pictures; read at most one batch ahead.
        method: selects the regions and combines their detections.
        batch_size: regions per batch.
        on_error: called with a picture that failed and its error, in place of yielding it; the run goes on if it
            returns.
    """
    waiting: deque[_Work] = deque()
    batch: list[tuple[_Work, Region]] = []
    for picture in pictures:
        work = _start(picture, method)
        waiting.append(work)
        for region in work.regions:
            batch.append((work, region))
            if len(batch) == batch_size:
                _run(predictor, batch, method, batch_size=batch_size)
                batch = []
        yield from _finished(waiting, method, on_error)
    _run(predictor, batch, method, batch_size=batch_size)
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


def _run(predictor: Predicts, batch: list[tuple[_Work, Region]], method: Method, *, batch_size: int) -> None:
    """Predicts a batch of regions; if that fails, predicts each alone to isolate the failure."""
    batch = [(work, region) for work, region in batch if work.error is None]
    if not batch:
        return
    try:
        results = _find(
            predictor, [_crop(work, region) for work, region in batch], flip=method.flip, batch_size=batch_size
        )
    except Exception as error:
        if len(batch) == 1:
            batch[0][0].error = error
        else:
            for one in batch:
                _run(predictor, [one], method, batch_size=batch_size)
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


def _find(predictor: Predicts, crops: list[np.ndarray], *, flip: bool, batch_size: int) -> list[CompactDetections]:
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
