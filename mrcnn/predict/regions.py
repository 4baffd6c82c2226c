"""Applies a model to regions of pictures, in batches that may span several pictures.

A `Method` selects the regions of a picture and combines their detections. A picture is kept in memory until all its
regions are done, so a run needs memory for one batch and the pictures its regions come from. With a `Pipeline` it needs
memory for a few batches.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from mrcnn.fields.table import Fields
from mrcnn.predict import compact, moves, overlaps
from mrcnn.predict.pipeline import Pipeline
from mrcnn.predict.sources import Picture, Report
from mrcnn.predict.windows import Box
from mrcnn.structures import CompactDetections

FLIP_IOU = 0.5  # mask IoU above which detections of an image and of its mirror image are one object
# bytes; if the pictures after the oldest unfinished one take more, batches do not overlap, to save memory
MOST_AHEAD = 256 * 1024**2


class PredictsCompact(Protocol):
    """A predictor whose masks are cropped to their boxes."""

    @property
    def fields(self) -> Fields:
        """The extra fields of its detections by name."""

    def predict_compact(
        self, images: Iterable[np.ndarray], *, batch_size: int | None = None
    ) -> Sequence[CompactDetections]:
        """Finds the objects of each image."""


Predicts = PredictsCompact | Pipeline  # the predictors that `predict_regions` accepts


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


def predict_regions(
    predictor: Predicts,
    pictures: Iterable[Picture | Report],
    method: Method,
    *,
    batch_size: int,
    on_error: OnError = end_run,
) -> Iterator[tuple[Picture, Found]]:
    """Yields each picture with its detections, in the order of the pictures.

    Args:
        predictor: the model. With a `Pipeline`, up to `Pipeline.depth` batches are in work at a time.
        pictures: the pictures; read at most one batch ahead, with a `Pipeline` as many batches as are in work. A report
            among them is called after all pictures of the batches before it were yielded.
        method: selects the regions and combines their detections.
        batch_size: regions per batch.
        on_error: called with a picture that failed and its error, in place of yielding it; the run goes on if it
            returns.
    """
    run = _Run(predictor, method, batch_size=batch_size, on_error=on_error)
    for item in pictures:
        yield from run.add(item)
    yield from run.close()


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


class _Batch(NamedTuple):
    regions: list[tuple[_Work, Region]]
    finding: "_Finding"


class _Finding(NamedTuple):
    results: Callable[[], list[CompactDetections]]  # waits for the detections of each region, or computes them
    is_ready: Callable[[], bool] = lambda: False  # whether `results` returns at once


class _Run:
    """Collects regions to batches and processes their detections in the order of the pictures.

    The steps of the run are queued; without a pipeline each is processed at once.
    """

    def __init__(self, predictor: Predicts, method: Method, *, batch_size: int, on_error: OnError):
        self._predictor, self._method, self._batch_size, self._on_error = predictor, method, batch_size, on_error
        self._depth = predictor.depth if isinstance(predictor, Pipeline) else 0
        self._steps: deque[_Work | _Batch | Report] = deque()
        self._waiting: deque[_Work] = deque()
        self._filling: list[tuple[_Work, Region]] = []
        self._in_work = self._bytes = 0  # batches that were started; bytes of pictures that are not finished

    def add(self, item: Picture | Report) -> Iterator[tuple[Picture, Found]]:
        if not isinstance(item, Picture):
            self._steps.append(item)
            return self._advance(self._depth)
        work = _start(item, self._method)
        self._steps.append(work)
        self._bytes += item.image.nbytes
        return self._add_regions(work)

    def _add_regions(self, work: _Work) -> Iterator[tuple[Picture, Found]]:
        for region in work.regions:
            self._filling.append((work, region))
            if len(self._filling) == self._batch_size:
                self._send()
                yield from self._advance(self._depth)
        if self._bytes_ahead() <= MOST_AHEAD:
            yield from self._advance(self._depth)
        else:
            self._send()  # the oldest picture may wait for a batch that is not full
            yield from self._advance(0)

    def close(self) -> Iterator[tuple[Picture, Found]]:
        self._send()
        return self._advance(0)

    def _send(self) -> None:
        batch, self._filling = [(work, region) for work, region in self._filling if work.error is None], []
        if batch:
            self._steps.append(self._start_batch(batch))
            self._in_work += 1

    def _start_batch(self, batch: list[tuple[_Work, Region]]) -> _Batch:
        crops = [_crop(work, region) for work, region in batch]
        return _Batch(batch, _start_finding(self._predictor, crops, flip=self._method.flip))

    def _advance(self, most: int) -> Iterator[tuple[Picture, Found]]:
        """Processes the oldest steps.

        Stops when the oldest step is a batch in work and at most `most` batches are in work.
        """
        while self._steps and not self._is_in_work(self._steps[0], most):
            step = self._steps.popleft()
            if isinstance(step, _Work):
                self._waiting.append(step)
            elif isinstance(step, _Batch):
                self._in_work -= 1
                self._collect(step)
            else:
                step()
            while self._waiting and self._waiting[0].is_done:
                work = self._waiting.popleft()
                self._bytes -= work.picture.image.nbytes
                yield from _finished(work, self._method, self._on_error)

    def _is_in_work(self, step: _Work | _Batch | Report, most: int) -> bool:
        return isinstance(step, _Batch) and self._in_work <= most and not step.finding.is_ready()

    def _collect(self, batch: _Batch) -> None:
        """Stores the detections of a batch.

        If the batch failed, each of its regions is predicted alone to isolate the failure.
        """
        try:
            results = batch.finding.results()
        except Exception as error:
            if len(batch.regions) == 1:
                batch.regions[0][0].error = error
                return
            for work, region in batch.regions:
                if work.error is None:
                    self._collect(self._start_batch([(work, region)]))
            return
        for (work, region), found in zip(batch.regions, results, strict=True):
            work.found.append(moves.moved(found, region.box[:2], size=work.size))

    def _bytes_ahead(self) -> int:
        return self._bytes - (self._waiting[0].picture.image.nbytes if self._waiting else 0)


def _finished(work: _Work, method: Method, on_error: OnError) -> Iterator[tuple[Picture, Found]]:
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


def _start_finding(predictor: Predicts, crops: list[np.ndarray], *, flip: bool) -> _Finding:
    """Prepares the detections of a batch.

    A `Pipeline` starts at once, in its threads; other predictors run when the results are asked for.
    """
    straight = _start_predicting(predictor, crops)
    if not flip:
        return straight
    turned = _start_predicting(predictor, [np.ascontiguousarray(crop[:, ::-1]) for crop in crops])

    def both() -> list[CompactDetections]:
        return [
            overlaps.suppress(
                compact.concatenate([found, moves.mirrored(other, predictor.fields)], size=found.size),
                iou_threshold=FLIP_IOU,
            )
            for found, other in zip(straight.results(), turned.results(), strict=True)
        ]

    return _Finding(both, turned.is_ready)  # the mirror images are the later of the two


def _start_predicting(predictor: Predicts, crops: list[np.ndarray]) -> _Finding:
    if isinstance(predictor, Pipeline):
        future = predictor.submit(crops)
        return _Finding(future.result, future.done)
    return _Finding(partial(_predict, predictor, crops))


def _predict(predictor: PredictsCompact, crops: list[np.ndarray]) -> list[CompactDetections]:
    return list(predictor.predict_compact(crops, batch_size=len(crops)))


def _crop(work: _Work, region: Region) -> np.ndarray:
    y1, x1, y2, x2 = region.box
    return np.ascontiguousarray(work.picture.image[y1:y2, x1:x2])
