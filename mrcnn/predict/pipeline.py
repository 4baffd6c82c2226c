"""Overlaps the stages of prediction, batch after batch.

While the model runs on a batch, the next batch is resized and padded, and the detections of the batch before are
converted to pixels of their images. Each stage has one thread, so the model runs on one batch at a time.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np

from mrcnn.fields.table import Fields
from mrcnn.predict.staged import AnyPredictor
from mrcnn.structures import CompactDetections

STAGES = ("prepare", "detect", "finish")


class Pipeline:
    """Predicts batches in threads; use it as a context manager, which ends the threads.

    Attributes:
        depth: batches that keep all stages busy.
    """

    depth = len(STAGES)

    def __init__(self, predictor: AnyPredictor):
        """Starts the threads.

        Args:
            predictor: the predictor whose stages are run.
        """
        self._predictor = predictor
        self._prepare, self._detect, self._finish = (ThreadPoolExecutor(1, thread_name_prefix=name) for name in STAGES)

    @property
    def fields(self) -> Fields:
        """The extra fields of detections by name."""
        return self._predictor.fields

    def submit(self, images: Sequence[np.ndarray]) -> Future[list[CompactDetections]]:
        """Starts the prediction of a batch.

        Args:
            images: at least one, as for `StagedPredictor.prepare`.

        Returns:
            A future of the detections of each image; it raises what a stage raised.
        """
        predictor = self._predictor
        prepared = self._prepare.submit(predictor.prepare, images)
        raw = self._detect.submit(lambda: [predictor.detect(batch) for batch in prepared.result()])
        return self._finish.submit(lambda: predictor.finish(prepared.result(), raw.result()))

    def __enter__(self) -> "Pipeline":
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancels the waiting batches and ends the threads.

        A batch that the model is running on is completed first.
        """
        stages = (self._prepare, self._detect, self._finish)
        for stage in stages:  # cancel all before waiting for any: a stage waits for the one before it
            stage.shutdown(wait=False, cancel_futures=True)
        for stage in stages:
            stage.shutdown()
