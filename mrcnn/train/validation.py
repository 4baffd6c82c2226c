"""Evaluates the model on the whole validation set after an epoch.

A loss of the set is the mean of the batches' losses, weighted by their numbers of images. The metrics of
`mrcnn.evaluate`, such as average precision, are computed in original pixels.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Any, Protocol

import keras
import numpy as np

from mrcnn.data.resize import ResizePlan
from mrcnn.data.streams import Batches
from mrcnn.errors import UserError
from mrcnn.evaluate.metric import PER_CLASS, Maps, MetricKind, Metrics
from mrcnn.events import EventLog
from mrcnn.fields.table import Fields
from mrcnn.ops.backend.current import native
from mrcnn.predict import postprocess
from mrcnn.structures import Detections, GroundTruth, OutputRules, RawDetections
from mrcnn.train import devices, invalid_loss
from mrcnn.train.engine.current import engine
from mrcnn.train.workers import results
from mrcnn.train.workers.peers import ALONE, Peers
from mrcnn.train.workers.results import BatchResult


class Scorer(Protocol):
    """Collects the detections of a validation set, one image at a time."""

    def add(self, image_id: int, raw: RawDetections) -> None:
        """Adds one image; the fields have no batch axis."""

    def result(self) -> dict[str, float]:
        """Computes the measurements of all images added since the last call."""


Watch = Callable[[int, GroundTruth, Detections], None]


class MetricScorer:
    """Computes metrics of detections, in original pixels.

    Attributes:
        details: all measures of the last call of `result`, as of `evaluate.metric.Metrics.result`.
    """

    def __init__(
        self,
        kinds: Sequence[MetricKind],
        ground_truth: Callable[[int], GroundTruth],
        *,
        class_names: Sequence[str],
        plan: Callable[[int, int], ResizePlan],
        rules: OutputRules,
        max_detections: int = 100,
        class_facts: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
        fields: Fields = MappingProxyType({}),
        maps: Maps = MappingProxyType({}),
        watchers: Sequence[Watch] = (),
    ):
        """Stores the settings and starts without images.

        Args:
            kinds: the metrics; those without validated measures are not computed.
            ground_truth: returns the size and the objects of an image by its id.
            class_names: by class id, the background first.
            plan: computes from height and width of an image how it was fitted into the model input.
            rules: for the conversion of raw detections to original pixels.
            max_detections: the most detections of an image.
            class_facts: further values of each class of the data, by title.
            fields: the model's extra fields by name.
            maps: the rules of the model's maps by name.
            watchers: receive each image's id, objects and detections, too.
        """
        self._kinds, self._ground_truth = tuple(kind for kind in kinds if kind.validated), ground_truth
        self._class_names = tuple(class_names)
        self._plan, self._rules = plan, rules
        self._max_detections, self._class_facts, self._fields = max_detections, class_facts, fields
        self._maps, self._watchers = maps, tuple(watchers)
        self.details: Mapping[str, Any] = {}
        self._metrics = self._new()

    def add(self, image_id: int, raw: RawDetections) -> None:
        """Adds one image; the fields have no batch axis."""
        truth = self._ground_truth(image_id)
        detections = postprocess.to_original(
            raw,
            self._plan(truth.height, truth.width),
            image_size=(truth.height, truth.width),
            class_names=self._class_names,
            rules=self._rules,
        )
        self._metrics.add(image_id, truth, detections)
        for watch in self._watchers:
            watch(image_id, truth, detections)

    def result(self) -> dict[str, float]:
        """Computes the metrics of all images added since the last call.

        Returns:
            The measures that the kinds list in `validated`, by name; NaN where there is nothing to measure.
        """
        self.details, self._metrics = self._metrics.result(), self._new()
        return {name: float(self.details[name]) for name in self._validated}

    @property
    def per_class(self) -> dict[str, dict[str, float]]:
        """By class title, the number of `objects` and the measures that `result` computed last; stuff is left out."""
        return {
            self._class_names[class_id]: {
                name: float(values[name]) for name in ("objects", *self._validated) if values.get(name) is not None
            }
            for class_id, values in self.details.get(PER_CLASS, {}).items()
            if class_id < len(self._class_names)  # stuff has no title here
        }

    @property
    def _validated(self) -> list[str]:
        return [name for kind in self._kinds for name in kind.validated]

    def _new(self) -> Metrics:
        return Metrics(
            self._kinds,
            self._class_names,
            max_detections=self._max_detections,
            class_facts=self._class_facts,
            fields=self._fields,
            maps=self._maps,
        )


def is_due(epoch: int, *, every: int, epochs: int) -> bool:
    """Checks whether an epoch is validated: every n-th one is, and the last.

    Args:
        epoch: counted from 0.
        every: n, epochs from one validation to the next.
        epochs: epochs of the whole run.
    """
    return (epoch + 1) % every == 0 or epoch + 1 == epochs


class Validation(keras.callbacks.Callback):
    """Adds the `val_` measurements to an epoch's logs, for the callbacks after it."""

    def __init__(
        self,
        dataset: Batches,
        *,
        names: Sequence[str],
        log: EventLog,
        scorer: Scorer | None = None,
        check: Callable[[], Any] = lambda: None,
        due: Callable[[int], bool] = lambda epoch: True,
        averaged: Callable[[], AbstractContextManager[None]] = nullcontext,
        peers: Peers = ALONE,
    ):
        """Stores the data and the settings.

        Args:
            dataset: batches with each image of the set once, in one of the workers; the last batch may be smaller.
            names: the images' names in messages, by image id.
            log: receives the progress.
            scorer: computes the metrics; None leaves them out.
            check: called before each batch; may raise to stop.
            due: returns whether an epoch, counted from 0, is validated.
            averaged: makes a context in which the model has the weights to validate.
            peers: the workers, all of which validate; each has all losses, the scorer of the chief all detections.
        """
        super().__init__()
        self._dataset, self._names, self._log = dataset, tuple(names), log
        self._scorer, self._check, self._due = scorer, check, due
        self._averaged, self._peers = averaged, peers
        self._function: Callable[..., Any] | None = None

    def on_epoch_end(self, epoch, logs=None):
        """Validates the model if the epoch is due."""
        values = self.measure() if self._due(epoch) else {}
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in values.items()})

    def measure(self) -> dict[str, float]:
        """Computes losses and metrics on the whole validation set.

        Returns:
            `loss`, its parts and the scorer's measurements, by name.

        Raises:
            UserError: no image of the set could be read.
            InvalidLoss: a loss is NaN or infinite; the message lists the images of that batch.
        """
        sums: dict[str, float] = {}
        count, total = 0, len(self._names)
        with devices.alone(self.model), self._averaged():
            for found in self._results():
                self._check_losses(found.losses, found.image_ids)
                for name, value in found.losses.items():
                    sums[name] = sums.get(name, 0.0) + value * len(found.image_ids)
                self._score(found)
                count += len(found.image_ids)
                self._log.progress("validation, images", count, total)
        if count == 0:
            raise UserError("no image of the validation set could be read; see the warnings above for the files")
        if count < total:  # broken files were left out
            self._log.progress("validation, images", total, total)
        means = {name: value / count for name, value in sums.items()}
        if self._scorer is None:
            return means
        return means | self._peers.of_chief(self._scorer.result() if self._peers.leads else None)

    def _results(self) -> Iterator[BatchResult]:
        """Validates the batches; in every worker those of all workers, in the same order."""
        batches = iter(self._dataset)
        while True:
            batch = next(batches, None)
            if batch is None and self._peers.count == 1:
                return
            self._check()
            own = None if batch is None else self._validate(batch)
            if self._peers.count == 1:
                found = [own]
            else:
                found = [results.unpack(content) for content in self._peers.gather(results.pack(own))]
            if not any(found):
                return
            yield from filter(None, found)

    def _validate(self, batch: Mapping[str, Any]) -> BatchResult:
        if self._function is None:
            if native.BUILDS_GRAPH:
                self._log.info("building the graph of the validation")
            self._function = engine.validator(self.model, self._dataset)
        losses, raw = self._function(batch)
        return BatchResult(keras.ops.convert_to_numpy(batch["image_ids"]), losses, raw)

    def _check_losses(self, losses: Mapping[str, float], image_ids: np.ndarray) -> None:
        invalid_loss.check(
            losses, split="val", where="validation", names=lambda: [self._names[index] for index in image_ids]
        )

    def _score(self, found: BatchResult) -> None:
        if self._scorer is None or not self._peers.leads:
            return
        for index, image_id in enumerate(found.image_ids):
            one = keras.tree.map_structure(lambda field, index=index: field[index], found.raw)
            self._scorer.add(int(image_id), one)
