"""Images in, detections out: the model with everything around it.

Shape letters: B images of a batch, H W the model input.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn.data.resize import ResizePlan
from mrcnn.model_folder import read as load
from mrcnn.model_folder.class_names import Classes
from mrcnn.model_folder.read import ModelBundle
from mrcnn.predict import compact, inputs, postprocess, preprocess
from mrcnn.structures import CompactDetections, Detections, RawDetections


class Predictor:
    """Finds objects in images of any sizes.

    The graph is traced once, for one input size and any batch size, and holds no state: threads may share a predictor.

    Attributes:
        bundle: the model and what its numbers mean.
    """

    def __init__(self, bundle: ModelBundle):
        """Takes a loaded model; see `load` for the usual way."""
        self.bundle = bundle
        self._rules: dict[str, Any] = {"class_names": bundle.class_names, "rules": bundle.output_rules}
        side, channels = bundle.input_size.max_dim, bundle.config.channels
        self._detect = tf.function(
            lambda images, windows: bundle.model({"images": images, "windows": windows}),
            input_signature=[
                tf.TensorSpec([None, side, side, channels], tf.float32),
                tf.TensorSpec([None, 4], tf.float32),
            ],
        )

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        classes: Classes | None = None,
        input_size: Sequence[int] | None = None,
        score_threshold: float | None = None,
        device: int | str | None = None,
        precision: str = "float32",
        warn: Callable[[str], None] = lambda line: None,
    ) -> "Predictor":
        """Loads a model folder or weight file; arguments and errors are `load.read_model`'s and `load.load_model`'s."""
        stored = load.read_model(model, classes=classes, input_size=input_size)
        return cls(
            load.load_model(stored, score_threshold=score_threshold, device=device, precision=precision, warn=warn)
        )

    def predict(self, images: Iterable[inputs.Input], *, batch_size: int | None = None) -> list[Detections]:
        """Finds the objects of each image.

        Args:
            images: any number of images of any sizes: paths of image files, Pillow images, or RGB uint8 arrays
                `[height, width, 3]`. Grey arrays `[height, width]` or `[height, width, 1]` are repeated to three
                channels, a fourth (alpha) channel is dropped.
            batch_size: how many images go through the model at once; memory grows with it. None means 1.

        Returns:
            One `Detections` per image, in order; best first. Empty in, empty out.

        Raises:
            ValueError: one is not such an image or cannot be read, or `batch_size` is below 1.
        """
        return list(self.predict_iter(images, batch_size=batch_size))

    def predict_iter(self, images: Iterable[inputs.Input], *, batch_size: int | None = None) -> Iterator[Detections]:
        """Yields what `predict` returns, one image at a time, reading `images` no further than a batch ahead."""
        return map(compact.to_dense, self._found(images, batch_size))

    def predict_compact(
        self, images: Iterable[inputs.Input], *, batch_size: int | None = None
    ) -> list[CompactDetections]:
        """Finds what `predict` finds, with each mask kept inside its box: small, however large the image is."""
        return list(self._found(images, batch_size))

    def predict_probabilities(self, image: np.ndarray) -> tuple[Detections, np.ndarray]:
        """Finds the objects of one image, and what their masks were before the threshold.

        Args:
            image: an array as for `predict`.

        Returns:
            found: as `predict`.
            probabilities: `[N, M, M]` float32, of each mask on the grid of its box.
        """
        [(raw, plan, size)] = self._run([image])
        found, slots = postprocess.with_slots(raw, plan, image_size=size, **self._rules)
        return compact.to_dense(found), raw.masks[slots]

    def _found(self, images: Iterable[inputs.Input], batch_size: int | None) -> Iterator[CompactDetections]:
        size = 1 if batch_size is None else batch_size
        if size < 1:
            raise ValueError(f"`batch_size` must be at least 1, got {batch_size}")
        inputs.check_many(images)
        config = self.bundle.config
        return self._batches(inputs.read_all(images, channels=config.channels, image_range=config.image_range), size)

    def _batches(self, images: Iterator[np.ndarray], size: int) -> Iterator[CompactDetections]:
        while batch := list(islice(images, size)):
            yield from self._predict_batch(batch)

    def _predict_batch(self, images: list[np.ndarray]) -> Iterator[CompactDetections]:
        for raw, plan, size in self._run(images):
            yield postprocess.to_compact(raw, plan, image_size=size, **self._rules)

    def _run(self, images: list[np.ndarray]) -> Iterator[tuple[RawDetections, ResizePlan, tuple[int, int]]]:
        """Yields what the model finds in each image, how the image was fitted into the model input, and its size."""
        bundle = self.bundle
        prepared = preprocess.prepare(
            images,
            min_dim=bundle.input_size.min_dim,
            max_dim=bundle.input_size.max_dim,
            channels=bundle.config.channels,
            image_resize=bundle.config.image_resize,
        )
        raw = self._detect(prepared.images, prepared.windows)
        raw = RawDetections(*(field.numpy() for field in raw))
        for index, (plan, image_size) in enumerate(zip(prepared.plans, prepared.sizes, strict=True)):
            yield RawDetections(*(field[index] for field in raw)), plan, image_size
