"""Runs a loaded model for many threads at once, with dynamic batching; knows no HTTP."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mrcnn.annotate import labels
from mrcnn.config.inference import Mode
from mrcnn.fields.table import Fields
from mrcnn.predict import modes
from mrcnn.predict.sources import Picture
from mrcnn.predict.staged import AnyPredictor
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta
from mrcnn.serve.batcher import Batcher
from mrcnn.structures import CompactDetections

Disconnect = Future[None]  # done once the client has disconnected


class RequestCancelled(RuntimeError):
    """Raised to stop work on a request whose client has disconnected."""


class Service:
    """Detects objects in images, and batches the images of concurrent callers.

    Attributes:
        facts: the classes, the input and the run-time choices of the model.
        fields: the extra fields of detections by name.
        mask_bits: as in `StagedPredictor`.
    """

    def __init__(
        self,
        predictor: AnyPredictor,
        *,
        confidence_tag: str = "confidence",
        batch_size: int = 1,
        wait_seconds: float = 0.0,
        on_batch: Callable[[int], object] = lambda count: None,
    ):
        """Starts the thread that runs the model.

        Args:
            predictor: the model.
            confidence_tag: name of the tag that holds the score, without a mode's suffix.
            batch_size: most images per run of the model.
            wait_seconds: longest time that an image waits for others.
            on_batch: called with the number of images before each run of the model.
        """
        self.facts, self.fields, self.mask_bits = predictor.facts, predictor.fields, predictor.mask_bits
        self._confidence_tag, self._batch_size = confidence_tag, batch_size
        self._batcher: Batcher[np.ndarray, CompactDetections] = Batcher(
            lambda images: predictor.predict_compact(images, batch_size=len(images)),
            batch_size=batch_size,
            wait_seconds=wait_seconds,
            on_batch=on_batch,
        )

    @property
    def ready(self) -> bool:
        """Whether images are accepted."""
        return self._batcher.alive

    def warm_up(self) -> None:
        """Runs the model once, so that the first request does not wait for its graph."""
        side = self.facts.max_dim
        self.detect(np.zeros((side, side, self.facts.channels), np.uint8))

    def close(self) -> None:
        """Answers the waiting images, then ends the thread."""
        self._batcher.close()

    def detect(self, image: np.ndarray, disconnect: Disconnect | None = None) -> CompactDetections:
        """Detects the objects of one image, `[H, W, channels]` uint8; see `detect_all`."""
        (found,) = self.detect_all([image], disconnect)
        return found

    def detect_all(
        self, images: Iterable[np.ndarray], disconnect: Disconnect | None = None
    ) -> Iterator[CompactDetections]:
        """Detects the objects of each image; reads at most two batches ahead.

        Args:
            images: each `[H, W, channels]` uint8.
            disconnect: done once the client has disconnected; None for a caller that stays.

        Yields:
            The detections of each image, in order.

        Raises:
            RequestCancelled: `disconnect` was done before the last image was.
        """
        disconnect = Future() if disconnect is None else disconnect
        waiting: deque[Future[CompactDetections]] = deque()
        try:
            for image in images:
                _check_connected(disconnect)
                waiting.append(self._batcher.submit(image))
                if len(waiting) == 2 * self._batch_size:
                    yield _await(waiting.popleft(), disconnect)
            while waiting:
                yield _await(waiting.popleft(), disconnect)
        finally:
            for future in waiting:
                future.cancel()

    def output_meta(self, meta: ProjectMeta, mode: Mode) -> ProjectMeta:
        """Adds the classes and tags of this mode's annotations to those of a project.

        Raises:
            UserError: the project has a class or tag of the same name that does not fit.
        """
        return labels.output_meta(meta, (*self.facts.class_metas, *self.facts.stuff_metas), self._naming(mode))

    def annotate(
        self,
        image: np.ndarray,
        known: Annotation | None,
        *,
        meta: ProjectMeta,
        mode: Mode,
        disconnect: Disconnect | None = None,
    ) -> Annotation:
        """Runs a mode on an image and adds the detections to its annotation.

        Args:
            image: `[H, W, channels]` uint8.
            known: the existing annotation; None for none.
            meta: classes and tags of the project that the annotation belongs to.
            mode: the parts of the image to run the model on, and how detections are named.
            disconnect: done once the client has disconnected.

        Raises:
            RequestCancelled: `disconnect` was done before the whole image was processed.
            UserError: the project has a class or tag of the same name that does not fit, or the mode cannot be run on
                this image.
        """
        self.output_meta(meta, mode)
        height, width = image.shape[:2]
        known = replace(known or Annotation(None), size_hw=(height, width))
        run = modes.RUNNERS[mode.name]
        predictor = _ServicePredictor(self, disconnect)
        ((_, found),) = run(predictor, [Picture(0, image, known)], mode, batch_size=self._batch_size)
        return labels.annotate(known, found, self._naming(mode))

    def _naming(self, mode: Mode) -> labels.Naming:
        return labels.of_model(self.facts, mode, fields=self.fields, confidence_tag=self._confidence_tag)


@dataclass(frozen=True)
class _ServicePredictor:
    """Adapts the service to the predictor interface that the modes use, for one request."""

    service: Service
    disconnect: Disconnect | None

    @property
    def fields(self) -> Fields:
        """The extra fields of detections by name."""
        return self.service.fields

    def predict_compact(
        self, images: Iterable[np.ndarray], *, batch_size: int | None = None
    ) -> list[CompactDetections]:
        return list(self.service.detect_all(images, self.disconnect))


def _await(future: "Future[CompactDetections]", disconnect: Disconnect) -> CompactDetections:
    either: tuple[Future[Any], ...] = (future, disconnect)
    wait(either, return_when=FIRST_COMPLETED)
    if not future.done():
        future.cancel()  # it may still be in the queue
        _check_connected(disconnect)
    return future.result()


def _check_connected(disconnect: Disconnect) -> None:
    if disconnect.done():
        raise RequestCancelled("the client disconnected")
