"""The predictor: the model with the preprocessing and postprocessing of images.

Shape letters: B images of a batch, H W the model input.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mrcnn.config import errors
from mrcnn.config.inference import LIVE, InferenceModelConfig
from mrcnn.data.resize import ResizePlan
from mrcnn.model_folder import read
from mrcnn.model_folder.class_names import Classes
from mrcnn.model_folder.read import ModelBundle
from mrcnn.ops.backend.current import native
from mrcnn.predict import beside, compact, postprocess, preprocess
from mrcnn.predict.live import LivePredictor, run_graph
from mrcnn.predict.opening import Loading, open_exported
from mrcnn.predict.preprocess import Prepared
from mrcnn.predict.staged import AnyPredictor
from mrcnn.structures import CompactDetections, Detections, RawDetections


class Predictor(LivePredictor[Prepared, RawDetections]):
    """Finds objects in images of any size.

    TensorFlow traces the graph once, for any batch size; for a model with rectangular inputs also for any input size.
    JAX compiles it for each shape. The predictor is stateless: threads may share it.

    Attributes:
        bundle: the model with its classes and settings.
    """

    def __init__(self, bundle: ModelBundle):
        """Stores the model and wraps it in a function of the back end; `load` also reads the model.

        Args:
            bundle: a loaded model.
        """
        super().__init__(bundle)
        self._rules: dict[str, Any] = {"class_names": bundle.class_names, "rules": bundle.output_rules}
        size, channels = bundle.input_size, bundle.config.channels
        side = None if size.shape == "rectangle" else size.max_dim
        self._detect = native.compiled(
            lambda images, windows: bundle.detect({"images": images, "windows": windows}),
            [((None, side, side, channels), "float32"), ((None, 4), "float32")],
            weights=lambda: bundle.model.weights,
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
        tf32: bool | None = None,
        runtime: str = LIVE,
        warn: Callable[[str], None] = lambda line: None,
    ) -> AnyPredictor:
        """Loads a predictor from a model folder, a weight file or an exported file.

        Args:
            model: as for `model_folder.read.read_model`; or an exported file or its folder, as for
                `ExportedPredictor.load`.
            classes: as for `model_folder.read.read_model`.
            input_size: as for `model_folder.read.read_model`.
            score_threshold: as for `model_folder.read.load_model`.
            device: as for `model_folder.read.load_model`.
            precision: as for `model_folder.read.load_model`.
            tf32: as for `model_folder.read.load_model`.
            runtime: of a model folder, as `runtime` of an inference config: "live", "auto" or the name of a runtime.
            warn: as for `model_folder.read.load_model`; also called with a line that names the runtime.

        Returns:
            A `Predictor`; of an exported file, or where `runtime` takes one, an `ExportedPredictor`, which has the same
            methods except `predict_probabilities`, and no `bundle`.

        Raises:
            UserError: as `model_folder.read.read_model` and `model_folder.read.load_model`, or `open_exported`.
        """
        loading = Loading(classes, input_size, score_threshold, device, precision=precision, tf32=tf32)
        settings = errors.check(InferenceModelConfig, {"runtime": runtime}, path="model")
        if (exported := open_exported(model, loading, settings=settings, warn=warn)) is not None:
            return exported
        stored = read.read_model(model, classes=classes, input_size=input_size)
        if settings.runtime != LIVE:
            chosen = beside.open_beside(stored, settings, loading, say=warn, warn=warn)
            if chosen is not None:
                return chosen
        return cls(
            read.load_model(
                stored, score_threshold=score_threshold, device=device, precision=precision, tf32=tf32, warn=warn
            )
        )

    def with_choices(self, **changes: float) -> "Predictor":
        """Makes a predictor with other run-time choices; see `StagedPredictor.with_choices`."""
        return Predictor(self.bundle.with_choices(**changes))

    def predict_probabilities(self, image: np.ndarray) -> tuple[Detections, np.ndarray]:
        """Finds the objects of one image with their mask probabilities before thresholding.

        Args:
            image: an array as for `predict`.

        Returns:
            found: the detections, as `predict` returns them.
            probabilities: `[N, M, M]` float32, each detection's mask probabilities on the M x M grid of its box.
        """
        batches = self.prepare([image])
        [(raw, plan)] = _by_image(batches, [self.detect(batch) for batch in batches])
        found, slots = postprocess.with_slots(raw, plan, image_size=plan.original_hw, **self._rules)
        return compact.to_dense(found), raw.masks[slots]

    def prepare(self, images: Sequence[np.ndarray]) -> list[Prepared]:
        """Resizes and pads images: the first of the three stages of a prediction.

        Args:
            images: at least one, as for `model_image.as_model_image`.

        Returns:
            One batch for each shape of model input.

        Raises:
            ValueError: an array is not an image; the message has its index in the list.
        """
        size, config = self.bundle.input_size, self.bundle.config
        return preprocess.prepare(
            images,
            min_dim=size.min_dim,
            max_dim=size.max_dim,
            shape=size.settled_shape,
            channels=config.channels,
            image_resize=config.image_resize,
            fit=config.image_fit,
        )

    def detect(self, batch: Prepared) -> RawDetections:
        """Runs the model on a batch of `prepare`; the second stage.

        Returns:
            NumPy fields `[B, D, ...]`, boxes in pixels of the model input.

        Raises:
            OutOfMemory: the batch does not fit into memory; the message has its size and what to lower.
        """
        found: RawDetections = run_graph(
            self._detect, batch.images, batch.windows, smaller="a model with a smaller `input_size`"
        )
        return found

    def finish(self, batches: Sequence[Prepared], raw: Sequence[RawDetections]) -> list[CompactDetections]:
        """Converts raw detections to pixels of the images; see `StagedPredictor.finish`."""
        return [
            postprocess.to_compact(one, plan, image_size=plan.original_hw, **self._rules)
            for one, plan in _by_image(batches, raw)
        ]


def _by_image(batches: Sequence[Prepared], raw: Sequence[RawDetections]) -> Iterator[tuple[RawDetections, ResizePlan]]:
    """Yields the raw detections and the resize plan of each image, in order.

    The detections have no batch axis.
    """
    found = {}
    for batch, fields in zip(batches, raw, strict=True):
        for place, (index, plan) in enumerate(zip(batch.indices, batch.plans, strict=True)):
            found[index] = keras.tree.map_structure(lambda field, place=place: field[place], fields), plan
    yield from (found[index] for index in sorted(found))
