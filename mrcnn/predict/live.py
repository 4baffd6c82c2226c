"""The base class of predictors of a Keras model, and the call of their graphs."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from mrcnn.errors import OutOfMemory, counted, is_out_of_memory, one_line
from mrcnn.fields.table import Fields
from mrcnn.model_folder.read import ModelBundle, StoredModel
from mrcnn.ops.backend.current import native
from mrcnn.predict.facts import ModelFacts
from mrcnn.predict.staged import Batch, Raw, StagedPredictor
from mrcnn.structures import Choices

MOST_REASON = 120  # characters kept of the text of an out-of-memory error


class LivePredictor(StagedPredictor[Batch, Raw]):
    """Base class of predictors of a Keras model.

    Attributes:
        bundle: the model with its classes and settings.
    """

    builds_graph = native.BUILDS_GRAPH

    def __init__(self, bundle: ModelBundle):
        """Stores the model.

        Args:
            bundle: a loaded model.
        """
        super().__init__(facts_of(bundle))
        self.bundle = bundle

    @property
    def fields(self) -> Fields:
        """The extra fields of detections by name."""
        return self.bundle.extra_fields

    def identity(self) -> dict[str, Any]:
        """Collects the settings and the checksum of the weights; see `StagedPredictor.identity`."""
        checksum = 0
        for weight in self.bundle.model.weights:
            checksum = zlib.crc32(np.ascontiguousarray(weight.numpy()).tobytes(), checksum)
        model = {
            "class_names": self.bundle.class_names,
            "input_size": self.bundle.input_size.model_dump(mode="json"),
            "settings": self.bundle.config.model_dump(mode="json"),
            "weights": checksum,
        }
        return {"model": model, "precision": self.bundle.precision.policy}


def facts_of(model: ModelBundle | StoredModel) -> ModelFacts:
    """Collects the facts of a model from its settings."""
    config, size = model.config, model.input_size
    return ModelFacts(
        class_names=model.class_names,
        class_metas=model.class_metas,
        stuff_metas=model.stuff_metas,
        min_dim=size.min_dim,
        max_dim=size.max_dim,
        channels=config.channels,
        image_range=config.image_range,
        choices=Choices.of(config),
        maps=model.maps,
        needs=tuple(config.needs),
    )


def run_graph(graph: Callable[..., Any], *arguments: np.ndarray, smaller: str) -> Any:
    """Calls a graph and fetches its result.

    Args:
        graph: a result of `Backend.compiled`.
        *arguments: its arguments, first the images `[B, H, W, channels]`.
        smaller: what to lower where a single image does not fit into memory, for the message.

    Returns:
        What the graph returns, with NumPy arrays for tensors.

    Raises:
        OutOfMemory: the images do not fit into memory.
    """
    try:
        return keras.tree.map_structure(keras.ops.convert_to_numpy, graph(*arguments))
    except native.ERRORS as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(_too_large(arguments[0].shape, error, smaller=smaller)) from error


def _too_large(shape: Sequence[int], error: Exception, *, smaller: str) -> str:
    """Describes a batch `[B, H, W, C]` that did not fit into memory."""
    count, height, width = shape[:3]
    fix = "use a smaller batch" if count > 1 else f"use {smaller}, or another device"
    reason = one_line(str(error), most=MOST_REASON) or type(error).__name__
    return f"out of memory for {counted(count, 'model input')} of {height}x{width} pixels: {fix} ({reason})"
