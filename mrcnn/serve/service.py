"""A loaded model that answers many threads at once: the work of the service without its HTTP."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mrcnn.annotate import labels
from mrcnn.config.inference import Mode
from mrcnn.predict import modes
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.sources import Picture
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta
from mrcnn.serve.batcher import Batcher
from mrcnn.structures import CompactDetections

Gone = Future[None]  # done once nobody waits for an answer any more


class Abandoned(RuntimeError):
    """Ends work whose answer nobody waits for any more."""


class Service:
    """Finds objects in images; what several callers send at the same time goes through the model together.

    Attributes:
        bundle: the model and what its numbers mean.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        confidence_tag: str = "confidence",
        batch_size: int = 1,
        wait_seconds: float = 0.0,
        on_batch: Callable[[int], object] = lambda count: None,
    ):
        """Starts the thread that the model runs in.

        Args:
            predictor: the model.
            confidence_tag: the name of the tag with the score, before a mode's suffix.
            batch_size: the most images that go through the model together.
            wait_seconds: how long an image waits for others.
            on_batch: told the number of images each time the model runs.
        """
        self.bundle = predictor.bundle
        self._confidence_tag, self._batch_size = confidence_tag, batch_size
        self._batcher: Batcher[np.ndarray, CompactDetections] = Batcher(
            lambda images: predictor.predict_compact(images, batch_size=len(images)),
            batch_size=batch_size,
            wait_seconds=wait_seconds,
            on_batch=on_batch,
        )

    @property
    def ready(self) -> bool:
        """Tells whether images are taken."""
        return self._batcher.alive

    def warm_up(self) -> None:
        """Runs the model once, so that the first request does not wait for its graph."""
        side = self.bundle.input_size.max_dim
        self.detect(np.zeros((side, side, self.bundle.config.channels), np.uint8))

    def close(self) -> None:
        """Answers what waits and ends the thread."""
        self._batcher.close()

    def detect(self, image: np.ndarray, gone: Gone | None = None) -> CompactDetections:
        """Finds the objects of one image, `[H, W, channels]` uint8; see `find`."""
        (found,) = self.find([image], gone)
        return found

    def find(self, images: Iterable[np.ndarray], gone: Gone | None = None) -> Iterator[CompactDetections]:
        """Finds the objects of each image, in order; reads little further than a batch ahead.

        Raises:
            Abandoned: `gone` was done before the last image was.
        """
        gone = Future() if gone is None else gone
        waiting: deque[Future[CompactDetections]] = deque()
        try:
            for image in images:
                _check_there(gone)
                waiting.append(self._batcher.submit(image))
                if len(waiting) == 2 * self._batch_size:
                    yield _await(waiting.popleft(), gone)
            while waiting:
                yield _await(waiting.popleft(), gone)
        finally:
            for future in waiting:
                future.cancel()

    def output_meta(self, meta: ProjectMeta, mode: Mode) -> ProjectMeta:
        """Gives the classes and tags that answers in this mode use, added to those of a project.

        Raises:
            UserError: a name is taken by something that does not fit.
        """
        return labels.output_meta(meta, self.bundle.class_metas, self._naming(mode))

    def annotate(
        self,
        image: np.ndarray,
        known: Annotation | None,
        *,
        meta: ProjectMeta,
        mode: Mode,
        gone: Gone | None = None,
    ) -> Annotation:
        """Adds the objects that a mode finds in an image to its annotation.

        Args:
            image: `[H, W, channels]` uint8.
            known: what is annotated already; None is nothing.
            meta: the project's that the annotation is from.
            mode: how to look at the image and what to call what is found.
            gone: done once nobody waits for the answer any more.

        Raises:
            Abandoned: `gone` was done before all of the image was looked at.
            UserError: a name is taken by something that does not fit, or the mode cannot be run on this image.
        """
        self.output_meta(meta, mode)
        height, width = image.shape[:2]
        known = replace(known or Annotation(None), size_hw=(height, width))
        run = modes.RUNNERS[mode.name]
        asked = _Asked(self, gone)
        ((_, found),) = run(asked, [Picture(0, image, known)], mode, self._batch_size)
        return labels.annotate(known, found, self._naming(mode))

    def _naming(self, mode: Mode) -> labels.Naming:
        return labels.name_labels(self.bundle.class_names[1:], mode, confidence_tag=self._confidence_tag)


@dataclass(frozen=True)
class _Asked:
    """The service as the modes want a predictor, asked for one answer; they need no more of it than this."""

    service: Service
    gone: Gone | None

    def predict_compact(
        self, images: Iterable[np.ndarray], *, batch_size: int | None = None
    ) -> list[CompactDetections]:
        return list(self.service.find(images, self.gone))


def _await(future: "Future[CompactDetections]", gone: Gone) -> CompactDetections:
    either: tuple[Future[Any], ...] = (future, gone)
    wait(either, return_when=FIRST_COMPLETED)
    if not future.done():
        future.cancel()  # it may wait for the model still
        _check_there(gone)
    return future.result()


def _check_there(gone: Gone) -> None:
    if gone.done():
        raise Abandoned("nobody waits for the answer any more")
