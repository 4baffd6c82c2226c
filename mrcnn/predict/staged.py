"""The interface of predictors: what all of them do with images, and the three stages of their work.

This module imports neither TensorFlow nor a package that NumPy, OpenCV and Pillow do not replace, so that exported
files run without them.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from mrcnn.predict import compact, inputs
from mrcnn.predict.facts import ModelFacts
from mrcnn.structures import CompactDetections, Detections, SemanticRules

if TYPE_CHECKING:  # it imports pydantic
    from mrcnn.fields.table import Fields

Batch = TypeVar("Batch")
Raw = TypeVar("Raw")


class StagedPredictor(ABC, Generic[Batch, Raw]):
    """Base class of predictors, which find objects in images of any size.

    A subclass defines the three stages of a prediction, which `predict.pipeline.Pipeline` overlaps. A predictor is
    stateless: threads may share it.

    Attributes:
        facts: the classes, the input and the run-time choices of the model.
        most_batch: most images that the model runs on at once; None for any number.
        least_score: lowest score threshold that `with_choices` accepts.
        builds_graph: whether the first prediction takes long, since a graph is built.
        settings_place: where the model's settings can be changed, for messages.
        mask_bits: memory of a mask at the peak, in bits for each pixel of the image.
    """

    most_batch: int | None = None
    least_score: float = 0.0
    builds_graph: bool = True
    mask_bits: int = 1
    settings_place: str = "the model's config.json"

    def __init__(self, facts: ModelFacts):
        """Stores the facts.

        Args:
            facts: of the model.
        """
        self.facts = facts

    @property
    def class_names(self) -> tuple[str, ...]:
        """Title of each class id, the background first."""
        return self.facts.class_names

    @property
    def maps(self) -> Mapping[str, SemanticRules]:
        """The maps of whole images that it predicts, by name, with their classes and rules."""
        return self.facts.maps

    @property
    @abstractmethod
    def fields(self) -> "Fields":
        """The extra fields of detections by name."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Collects what determines the detections: the settings of the model, and a checksum of its weights.

        Two predictors with the same JSON of it find the same objects.
        """

    @abstractmethod
    def with_choices(self, **changes: float) -> "StagedPredictor[Batch, Raw]":
        """Makes a predictor with other run-time choices, such as `mask_threshold=0.4`.

        It shares the network; one of a Keras model traces its own graph at its first prediction.

        Args:
            **changes: new values by the names of `structures.Choices`.

        Raises:
            UserError: a name is none of `Choices`, or a value is out of range or cannot be changed in an exported file.
        """

    @abstractmethod
    def prepare(self, images: Sequence[np.ndarray]) -> Sequence[Batch]:
        """Makes batches of images, the first stage of a prediction.

        Args:
            images: at least one, as for `model_image.as_model_image`.

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
        return map(compact.to_dense, self._found(images, batch_size, allow_urls=allow_urls, warn=warn))

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
        return list(self._found(images, batch_size, allow_urls=allow_urls, warn=warn))

    def _found(
        self,
        images: inputs.Inputs,
        batch_size: int | None,
        *,
        allow_urls: bool,
        warn: Callable[[str], None] | None,
    ) -> Iterator[CompactDetections]:
        """Checks the arguments of `predict` at once; the result reads the images as needed."""
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {batch_size}")
        arrays = inputs.read_all(
            inputs.as_many(images, allow_urls=allow_urls),
            channels=self.facts.channels,
            image_range=self.facts.image_range,
            allow_urls=allow_urls,
            warn=warn or _to_stderr,
        )
        return self._batches(arrays, min(batch_size or 1, self.most_batch or sys.maxsize))

    def _batches(self, images: Iterator[np.ndarray], size: int) -> Iterator[CompactDetections]:
        while images_of_batch := list(islice(images, size)):
            batches = self.prepare(images_of_batch)
            yield from self.finish(batches, [self.detect(batch) for batch in batches])


AnyPredictor = StagedPredictor[Any, Any]


def _to_stderr(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)
