"""A model of torchvision with the seeded weights, read as a user reads it, and what it computes, each thing once."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mrcnn.heads.rpn.head import AnchorScores
from mrcnn.model_folder import read
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.preprocess import Prepared
from mrcnn.structures import Proposals, RawDetections
from mrcnn.weights import state_dict_write
from tests.fidelity import torch_recipe, torch_reference


class TorchSession:
    """A model under comparison.

    Attributes:
        name: key of its stored results.
        predictor: the model with everything around it.
    """

    def __init__(self, name: str, predictor: Predictor):
        """Stores a predictor whose weights are loaded."""
        self.name, self.predictor = name, predictor

    @property
    def model(self):
        """The network."""
        return self.predictor.bundle.model

    @property
    def expected(self) -> dict[str, np.ndarray]:
        """torchvision's results."""
        return torch_reference.results(self.name)

    @cached_property
    def prepared(self) -> Prepared:
        """The model input."""
        [batch] = self.predictor.prepare([torch_reference.photograph()])
        return batch

    @cached_property
    def batch(self) -> dict[str, tf.Tensor]:
        """The fields of the batch that detection needs."""
        return {"images": tf.constant(self.prepared.images), "windows": tf.constant(self.prepared.windows)}

    @cached_property
    def pyramid(self) -> tuple[tf.Tensor, ...]:
        """P2 to P6."""
        return self.model._pyramid(self.batch, training=False)

    @cached_property
    def proposed(self) -> tuple[AnchorScores, Proposals]:
        """What the RPN computes."""
        size = self.prepared.images.shape[1:3]
        count = self.model.numbers.post_nms_topk
        return self.model.rpn(self.pyramid, image_size=size, count=count, windows=self.batch["windows"])

    @cached_property
    def raw(self) -> RawDetections:
        """The detections in the model input, of the one image."""
        proposals = self.proposed[1]
        choices = self.predictor.bundle.choices
        found = self.model._detect(self.pyramid, proposals, self.batch, choices=choices)
        return tf.nest.map_structure(lambda field: np.asarray(field)[0], found)


def write_weights(name: str, folder: Path) -> Path:
    """Makes the seeded state dict and stores it as PyTorch does.

    Args:
        name: one of `torch_recipe.MODELS`.
        folder: where to.
    """
    path = folder / f"{name}.pth"
    state_dict_write.write_torch(path, torch_recipe.make_state(torch_recipe.read_model(name)))
    return path


def open_session(name: str, weights: Path, settings: Mapping[str, Any] | None = None) -> TorchSession:
    """Builds the model from its weight file alone, as a user does; given settings win over the file's."""
    stored = read.read_file(weights, classes="coco")
    config = type(stored.config)(**{**stored.config.model_dump(), **(settings or {})})
    bundle = read.load_model(replace(stored, config=config) if settings else stored)
    return TorchSession(name, Predictor(bundle))
