"""Exports the weights as a state dict of torchvision or detectron2.

model.pth            as `torch.save` writes a state dict
model.safetensors    the same tensors, only of torchvision
README.md            how the code base builds the model, and its settings
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mrcnn.config import errors
from mrcnn.config.families.torchvision import TorchConfig
from mrcnn.config.train import InputSize
from mrcnn.errors import UserError
from mrcnn.export.exportable import DetectorSettings, Exportable
from mrcnn.export.formats import state_dict_notes
from mrcnn.export.formats.format import Format
from mrcnn.files import replaced
from mrcnn.model_folder import read
from mrcnn.model_folder.read import ModelBundle, StoredModel
from mrcnn.predict import outputs
from mrcnn.predict.outputs import ImageFunction
from mrcnn.predict.predictor import Predictor
from mrcnn.weights import foreign, state_dict_write
from mrcnn.weights.maps.entries import Form

TORCH, SAFETENSORS, NOTES = "model.pth", "model.safetensors", "README.md"
WITH_COUNTERS = ("torchvision_v2",)  # families whose published weights count the batches of their batch norms


class StateDict(Format):
    """Writes the weights of a model of the families torchvision, torchvision_v2 or detectron2.

    Attributes:
        code_base: key of `foreign.CODE_BASES`, whose names the files have.
        families: names of the families of this code base.
    """

    def __init__(self, code_base: str, families: tuple[str, ...]) -> None:
        """Stores the code base and its families."""
        self.code_base, self.families = code_base, families
        self.title = f"state dict of {code_base}"
        self.files = (TORCH, SAFETENSORS) if code_base == "torchvision" else (TORCH,)

    def limits(self, settings: DetectorSettings) -> list[str]:
        """Lists the settings that differ from the code base's own model; see `Format.limits`.

        Raises:
            UserError: the model is of another family, or has a head that the code base has no names for.
        """
        config = self._config(settings)
        if nameless := [head for head in config.extra_heads if head not in config.heads]:
            raise UserError(
                f"a {self.title} has no names for the extra heads {', '.join(nameless)}; export the model as "
                "saved_model"
            )
        if config.has_hourglass or config.has_pointrend:
            raise UserError(
                f"a {self.title} has no names for `model.mask_head` {config.mask_head}; export the model as saved_model"
            )
        if config.is_cascade and self.code_base != "detectron2":
            raise UserError(
                f"a {self.title} has no names for the stages of `box_head` cascade; export the model as saved_model"
            )
        if config.class_scoring != "softmax":
            raise UserError(
                f"a {self.title} scores by softmax, not as `model.class_loss` {config.class_loss}; export the model as "
                "saved_model"
            )
        unusual = state_dict_notes.unusual(config)
        if not unusual:
            return []
        return [f"{self.code_base} must use these settings, which differ from its own model's (see {NOTES}): {unusual}"]

    def write(self, model: Exportable, folder: Path) -> None:
        """Writes the files; see `Format.write`."""
        config = self._config(model.settings)
        form = Form(
            config.backbone,
            rpn_convolutions=config.rpn_convolutions,
            box_convolutions=config.box_convolutions,
            class_agnostic_boxes=config.class_agnostic_boxes,
            class_agnostic_masks=config.class_agnostic_masks,
            box_stages=len(config.cascade_ious) if config.is_cascade else 1,
        )
        counters = config.family in WITH_COUNTERS
        tensors = foreign.state_dict_of(model.layers(), code_base=self.code_base, form=form, counters=counters)
        for name in self.files:
            write = state_dict_write.write_torch if name == TORCH else state_dict_write.write_safetensors
            write(folder / name, tensors)
        with replaced(folder / NOTES) as partial:
            partial.write_text(state_dict_notes.text(config, model.settings), encoding="utf-8")

    def open(self, folder: Path, settings: DetectorSettings) -> Mapping[str, ImageFunction]:
        """Loads the weights of `model.pth` into a new network; see `Format.open`.

        Raises:
            UserError: the files do not hold the same tensors, or not those of the model.
        """
        first, *others = (foreign.read(folder / name) for name in self.files)
        for other in others:
            _check_equal(first, other)
        size = {"min_dim": settings.min_dim, "max_dim": settings.max_dim, "shape": settings.shape}
        stored = StoredModel(
            path=folder,
            weights=folder / TORCH,
            class_names=settings.class_names,
            class_metas=(),
            input_size=errors.check(InputSize, size, path="input_size"),
            config=self._config(settings),
        )
        network = read.build_network(stored)
        predictor = Predictor(ModelBundle(network, stored.class_names, (), stored.input_size, stored.config))
        return {self.code_base: lambda image: outputs.of_detections(*predictor.predict_probabilities(image))}

    def _config(self, settings: DetectorSettings) -> TorchConfig:
        config = settings.model
        family = "of another kind" if config is None else config.family
        if isinstance(config, TorchConfig) and family in self.families:
            return config
        if isinstance(config, TorchConfig):
            raise UserError(
                f"the format {self.code_base} holds models of family {' or '.join(self.families)}, this one is "
                f"{family}: give --format {'detectron2' if family == 'detectron2' else 'torchvision'}"
            )
        raise UserError(
            f"a model of family {family} cannot be a state dict of {self.code_base}, whose network has other layers "
            "(one score for each anchor, no biases in the ResNet) and other arithmetic: export it as saved_model"
        )


def _check_equal(first: foreign.ForeignFile, other: foreign.ForeignFile) -> None:
    names = [*first.tensors, *(name for name in other.tensors if name not in first.tensors)]
    for name in names:
        pair = [file.tensors.get(name) for file in (first, other)]
        if pair[0] is None or pair[1] is None or not np.array_equal(pair[0], pair[1]):
            raise UserError(f"{other.path} does not hold the tensor {name} of {first.path}: export the model again")
