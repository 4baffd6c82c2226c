"""Works on the shards of a job: reads images, predicts, and writes the results of a shard in one step.

Each engine makes one worker in a process and gives it the numbers of shards.
"""

import functools
import importlib
import json
import os
import socket
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from mrcnn import startup
from mrcnn.config.inference import InferenceConfig
from mrcnn.config.load import load_inference_config
from mrcnn.data.ahead import mapped
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.images import limits, pixels
from mrcnn.predict import modes, sources
from mrcnn.predict.facts import ModelFacts
from mrcnn.predict.pipeline import Pipeline
from mrcnn.predict.sources import Picture
from mrcnn.predict.staged import AnyPredictor
from mrcnn.project.annotation import Annotation
from mrcnn.scale import job, rows, storage
from mrcnn.scale.failure import Lost
from mrcnn.scale.job import Counts, Work

MOST_READERS = 8  # threads that read images; more hide the delays of object storage
FEWEST_AHEAD = 4  # images that are read before they are needed, also with smaller batches


class Lines(EventLog):
    """A log that stores its messages, for a process without a terminal.

    Attributes:
        lines: level and message of each event.
    """

    def __init__(self) -> None:
        """Starts without lines."""
        self.lines: list[tuple[str, str]] = []

    def emit(self, message: str, *, level: str = "info", **fields: Any) -> None:
        """Keeps the message."""
        self.lines.append((level, message))

    def progress(self, subtask: str, current: int, total: int, *, left: float | None = None) -> None:
        """Does nothing."""


def opened(work: Work, log: EventLog) -> AnyPredictor:
    """Opens the predictor of a work by its `opener`.

    Raises:
        UserError: the model cannot be loaded.
    """
    module, _, name = work.opener.partition(":")
    startup.load(module)
    opener: Callable[[Work, EventLog], AnyPredictor] = getattr(importlib.import_module(module), name)
    return opener(work, log)


def identity_of(predictor: AnyPredictor) -> str:
    """Writes what determines a predictor's detections as JSON."""
    return json.dumps(predictor.identity(), sort_keys=True)


@dataclass(frozen=True)
class Description:
    """Description of a predictor that a job records: plain values.

    Attributes:
        identity: as from `identity_of`.
        class_names: title of each class id, the background first.
        class_metas: the classes as in `meta.json` of a project.
        fields: settings of the extra fields of its detections by name.
        maps: names of the maps of whole images, which are not written.
        lines: level and message of what the log received while the model was loaded.
    """

    identity: str
    class_names: tuple[str, ...]
    class_metas: tuple[Mapping[str, Any], ...]
    fields: Mapping[str, Any]
    maps: tuple[str, ...]
    lines: tuple[tuple[str, str], ...]


def describe(work: Work) -> Description:
    """Opens the predictor of a work and describes it.

    Raises:
        UserError: the model cannot be loaded.
    """
    log = Lines()
    predictor = opened(work, log)
    settings: Mapping[str, Any] = {}
    if predictor.fields:
        settings = startup.load("mrcnn.scale.opening").settings_of_fields(predictor)
    return Description(
        identity=identity_of(predictor),
        class_names=tuple(predictor.class_names),
        class_metas=tuple(meta.to_json() for meta in predictor.facts.class_metas),
        fields=settings,
        maps=tuple(predictor.maps),
        lines=tuple(log.lines),
    )


class ShardWorker:
    """Applies one predictor to shard after shard."""

    def __init__(self, work: Work):
        """Loads the predictor.

        Raises:
            UserError: it cannot be loaded, or it is another than that of the job, for example since this machine has
                another file at the model's path.
        """
        self._work, self._job = work, job.open_job(work.output)
        self._config = load_inference_config(dict(work.config))
        self._predictor = opened(work, Lines())
        self._finished = 0  # shards of this process
        if work.identity is not None and identity_of(self._predictor) != work.identity:
            raise UserError(
                f"the model {work.model} of process {os.getpid()} is not the one that the job was started with; give "
                "all machines the same file"
            )

    def run(self, shard: int) -> Counts:
        """Writes the results of a shard, unless they are there already.

        Raises:
            UserError: they cannot be written, or the model fails on all images and no shard was finished before in
                this process, so that it would fail in another process too.
            Lost: the model fails on all images since this shard.
        """
        place = self._job.place_of(shard)
        if storage.exists(place):
            return self._job.counts_of(shard)
        images = self._job.images_of(shard)
        try:
            made = predict(self._predictor, images, self._config, batch_size=self._work.batch_size)
        except Lost as error:
            if self._finished:
                raise
            raise UserError(f"{error}; start the job again when the device and the model work") from error
        storage.write_bytes(place, rows.encode(made), what="results")
        self._finished += 1
        return Counts.of(shard, rows.tally(made))


@functools.lru_cache(maxsize=1)
def worker_of(work: str) -> ShardWorker:
    """Makes the worker of this process at the first call; `work` is the JSON of a `Work`."""
    return ShardWorker(Work.from_json(work))


def run_shard(work: str, shard: int) -> Counts:
    """Runs a shard in the worker of this process; `work` is the JSON of a `Work`."""
    return worker_of(work).run(shard)


def predict(
    predictor: AnyPredictor, images: Sequence[str], config: InferenceConfig, *, batch_size: int
) -> list[dict[str, Any]]:
    """Makes the row of each image, in their order; an image that fails has a row with the reason.

    Args:
        predictor: the model.
        images: paths or URLs.
        config: of the inference.
        batch_size: images, or regions of them, per batch.

    Raises:
        Lost: the model fails on a blank image too, so the failure is not that of the image.
    """
    made: dict[int, dict[str, Any]] = {}

    def fail(index: int, error: Exception) -> None:
        made[index] = rows.of_failure(images[index], sources.why(error))

    def fail_in_model(picture: Picture, error: Exception) -> None:
        if not isinstance(error, UserError):
            _check_runs(pipeline, predictor.facts, image=images[picture.index])
        fail(picture.index, error)

    runner = modes.RUNNERS[config.mode.name]
    pictures = _pictures(images, predictor.facts, most=config.model.max_image_mb * limits.MEGABYTE, ahead=batch_size)
    with Pipeline(predictor) as pipeline, closing(_usable(pictures, fail)) as usable:
        found_in = runner(
            pipeline,
            usable,
            config.mode,
            batch_size=batch_size,
            on_error=fail_in_model,
        )
        for picture, found in found_in:
            made[picture.index] = rows.of_detections(images[picture.index], found.detections)
    return [made[index] for index in range(len(images))]


def _check_runs(pipeline: Pipeline, facts: ModelFacts, *, image: str) -> None:
    """Raises `Lost` if the model that failed on an image fails on a blank one of its smallest input too."""
    blank = np.zeros((facts.min_dim, facts.min_dim, facts.channels), np.uint8)
    try:
        pipeline.submit([blank]).result()
    except Exception as error:
        where = f"process {os.getpid()} on {socket.gethostname()}"
        raise Lost(f"the model fails on {image} and on a blank image ({sources.why(error)}) in {where}") from error


def _pictures(
    images: Sequence[str], facts: ModelFacts, *, most: int, ahead: int
) -> Iterator[tuple[int, Picture | Exception]]:
    """Reads images in threads and yields them in order, or why they cannot be read."""

    def load(numbered: tuple[int, str]) -> tuple[int, Picture | Exception]:
        index, image = numbered
        try:
            data = np.frombuffer(storage.read_bytes(image, what="image"), np.uint8)
            array = pixels.decode_image(data, facts.channels, name=image, image_range=facts.image_range, most=most)
            return index, Picture(index, array, Annotation((array.shape[0], array.shape[1])))
        except Exception as error:
            return index, error

    return mapped(load, enumerate(images), ahead=max(FEWEST_AHEAD, ahead), threads=MOST_READERS)


def _usable(
    pictures: Iterator[tuple[int, Picture | Exception]], fail: Callable[[int, Exception], None]
) -> Generator[Picture, None, None]:
    for index, item in pictures:
        if isinstance(item, Picture):
            yield item
        else:
            fail(index, item)
