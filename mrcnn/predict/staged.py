"""The interface of predictors: what all of them do with images, and the three stages of their work."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np
import tensorflow as tf

from mrcnn.errors import OutOfMemory, counted, is_out_of_memory, one_line
from mrcnn.events import make_log
from mrcnn.fields.table import Fields
from mrcnn.model_folder.read import ModelBundle
from mrcnn.predict import compact, inputs
from mrcnn.structures import CompactDetections, Detections, SemanticRules

Batch = TypeVar("Batch")
Raw = TypeVar("Raw")

MOST_REASON = 120  # characters kept of the text of an out-of-memory error


class StagedPredictor(ABC, Generic[Batch, Raw]):
    """Base class of predictors, which find objects in images of any size.

    A subclass defines the three stages of a prediction, which `predict.pipeline.Pipeline` overlaps. A predictor is
    stateless: threads may share it.

    Attributes:
        bundle: the model with its classes and settings.
    """

    def __init__(self, bundle: ModelBundle):
        """Stores the model.

        Args:
            bundle: a loaded model.
        """
        self.bundle = bundle

    @property
    def fields(self) -> Fields:
        """The extra fields of detections by name."""
        return self.bundle.extra_fields

    @property
    def maps(self) -> Mapping[str, SemanticRules]:
        """The maps of whole images that it predicts, by name, with their classes and rules."""
        return self.bundle.maps

    @abstractmethod
    def with_choices(self, **changes: float) -> "StagedPredictor[Batch, Raw]":
        """Makes a predictor with other run-time choices, such as `mask_threshold=0.4`.

        It shares the network and traces its own graph at its first prediction.

        Args:
            **changes: new values by the names of `structures.Choices`.

        Raises:
            UserError: a name is none of `Choices`, or a value is out of range.
        """

    @abstractmethod
    def prepare(self, images: Sequence[np.ndarray]) -> Sequence[Batch]:
        """Makes batches of images, the first stage of a prediction.

        Args:
            images: at least one, as for `preprocess.as_model_image`.

        Raises:
            ValueError: an array is not an image; the message has its index in the list.
        """

    @abstractmethod
    def detect(self, batch: Batch) -> Raw:
        """Runs the model on a batch of `prepare`; the second stage.

        Raises:
            OutOfMemory: the batch does not fit into memory; the message has its size and what to lower.
        """

    @abstractmethod
    def finish(self, batches: Sequence[Batch], raw: Sequence[Raw]) -> list[CompactDetections]:
        """Converts raw detections to pixels of the images; the third stage.

        Args:
            batches: from `prepare`.
            raw: the result of `detect` for each of them.

        Returns:
            The detections of each image, in the order in which the images were given to `prepare`.
        """

    def predict(
        self,
        images: inputs.Inputs,
        *,
        batch_size: int | None = None,
        allow_urls: bool = False,
        warn: Callable[[str], None] | None = None,
    ) -> list[Detections]:
        """Finds the objects of each image.

        The result has masks of the size of each image; for many images use `predict_iter`, which keeps one batch in
        memory, or `predict_compact`.

        Args:
            images: a folder, a pattern with `*`, `?` or `[`, or any number of images of any size: paths of image
                files, folders or patterns, URLs, Pillow images of any mode except `I` and `F`, or RGB uint8 arrays
                `[height, width, 3]`. Grey arrays `[height, width]` or `[height, width, 1]` are repeated to three
                channels, a fourth (alpha) channel is dropped. `image_files.find` lists the images of a folder or
                pattern, which are sorted by folder and name.
            batch_size: images per batch; memory grows with it. None means 1.
            allow_urls: download `http://` and `https://` URLs, within the limits of `url_images`.
            warn: called with a line for each folder or pattern of which files or folders are passed over; None for
                stderr.

        Returns:
            One `Detections` per image, in the order of the images, each by descending score. Empty in, empty out.

        Raises:
            ValueError: an item is not such an image or cannot be read, or is a URL without `allow_urls`, or
                `batch_size` is below 1.
        """
        return list(self.predict_iter(images, batch_size=batch_size, allow_urls=allow_urls, warn=warn))

    def predict_iter(
        self,
        images: inputs.Inputs,
        *,
        batch_size: int | None = None,
        allow_urls: bool = False,
        warn: Callable[[str], None] | None = None,
    ) -> Iterator[Detections]:
        """Yields the results of `predict` one by one; reads `images` one batch ahead at most."""
        many = self._checked(images, batch_size, allow_urls=allow_urls)
        return map(compact.to_dense, self._found(many, batch_size or 1, allow_urls=allow_urls, warn=warn))

    def predict_compact(
        self,
        images: inputs.Inputs,
        *,
        batch_size: int | None = None,
        allow_urls: bool = False,
        warn: Callable[[str], None] | None = None,
    ) -> list[CompactDetections]:
        """Finds the objects of each image, with masks cropped to their boxes.

        Arguments, order and errors are those of `predict`. A result's memory depends on the objects' sizes, not on
        the image's.
        """
        many = self._checked(images, batch_size, allow_urls=allow_urls)
        return list(self._found(many, batch_size or 1, allow_urls=allow_urls, warn=warn))

    def _checked(self, images: inputs.Inputs, batch_size: int | None, *, allow_urls: bool) -> Iterable[inputs.Input]:
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {batch_size}")
        return inputs.as_many(images, allow_urls=allow_urls)

    def _found(
        self,
        images: Iterable[inputs.Input],
        size: int,
        *,
        allow_urls: bool,
        warn: Callable[[str], None] | None,
    ) -> Iterator[CompactDetections]:
        config = self.bundle.config
        arrays = inputs.read_all(
            images,
            channels=config.channels,
            image_range=config.image_range,
            allow_urls=allow_urls,
            warn=warn or make_log().warning,
        )
        return self._batches(arrays, size)

    def _batches(self, images: Iterator[np.ndarray], size: int) -> Iterator[CompactDetections]:
        while images_of_batch := list(islice(images, size)):
            batches = self.prepare(images_of_batch)
            yield from self.finish(batches, [self.detect(batch) for batch in batches])


AnyPredictor = StagedPredictor[Any, Any]


def run_graph(graph: Callable[..., Any], *arguments: np.ndarray, smaller: str) -> Any:
    """Calls a graph and fetches its result.

    Args:
        graph: a TensorFlow function.
        *arguments: its arguments, first the images `[B, H, W, channels]`.
        smaller: what to lower where a single image does not fit into memory, for the message.

    Returns:
        What the graph returns, with NumPy arrays for tensors.

    Raises:
        OutOfMemory: the images do not fit into memory.
    """
    try:
        return tf.nest.map_structure(lambda field: field.numpy(), graph(*arguments))
    except (tf.errors.OpError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(_too_large(arguments[0].shape, error, smaller=smaller)) from error


def _too_large(shape: Sequence[int], error: Exception, *, smaller: str) -> str:
    """Describes a batch `[B, H, W, C]` that did not fit into memory."""
    count, height, width = shape[:3]
    fix = "use a smaller batch" if count > 1 else f"use {smaller}, or another device"
    reason = one_line(str(error), most=MOST_REASON) or type(error).__name__
    return f"out of memory for {counted(count, 'model input')} of {height}x{width} pixels: {fix} ({reason})"
