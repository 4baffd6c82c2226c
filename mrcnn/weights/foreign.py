"""Weight files of torchvision and detectron2, arranged as the weights of this project's layers."""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from mrcnn.errors import UserError
from mrcnn.weights import state_dict
from mrcnn.weights.maps import caffe2, detectron2, detectron2_heads, torchvision
from mrcnn.weights.maps.entries import Entry, Form, Layers, to_layers, to_tensors

CODE_BASES: dict[str, ModuleType] = {"torchvision": torchvision, "detectron2": detectron2}
COUNTERS = "num_batches_tracked"  # of batch norm; it has no effect on detections
COCO_CLASSES = {"torchvision": 91, "detectron2": 81}  # of each code base's models of COCO, with background
HEAD_LAYERS = {"masks": "mrcnn_mask", "keypoints": "mrcnn_keypoint"}  # how the names of a head's layers begin
MOST_SHOWN = 4  # names of an unknown file in its message

is_foreign = state_dict.is_state_dict


@dataclass(frozen=True)
class ForeignFile:
    """A weight file of another code base.

    Attributes:
        path: path of the file.
        form: the file format, for people.
        code_base: key of `CODE_BASES`.
        is_detector: whether it holds a whole detector, not a backbone alone.
        tensors: the tensors by name.
        author: who made the file, as written by detectron2; None if absent.
        is_caffe2: whether a backbone has Caffe2's names in the file.
    """

    path: str
    form: str
    code_base: str
    is_detector: bool
    tensors: dict[str, np.ndarray] = field(repr=False)
    author: str | None = None
    is_caffe2: bool = False

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All tensors of a model with the parts that the file has."""
        if self.is_detector:
            return tuple(self._map.entries(self._map.form_of(self.tensors)))
        return tuple(self._map.backbone_entries(self.backbone, prefix=""))

    @property
    def backbone(self) -> str:
        """Name of the ResNet, `resnet50` or `resnet101`."""
        return self._map.depth_of(self.tensors, self._map.BODY if self.is_detector else "")

    @property
    def num_classes(self) -> int:
        """Number of classes of a detector, with background.

        Raises:
            UserError: the file has no layer from which it is derived.
        """
        try:
            return int(self._map.num_classes(self.tensors))
        except (KeyError, IndexError) as error:
            raise self._damaged(error) from error

    @property
    def box_stages(self) -> int:
        """Number of stages of a detector's cascade of box heads; 1 for a single box head."""
        return int(self._map.form_of(self.tensors).box_stages)

    @property
    def num_keypoints(self) -> int:
        """Number of points of a detector; 0 without a keypoint head.

        Raises:
            UserError: the layer from which it is derived is malformed.
        """
        try:
            return int(self._map.num_keypoints(self.tensors))
        except IndexError as error:
            raise self._damaged(error) from error

    @property
    def num_stuff(self) -> int:
        """Number of stuff classes of a detector; 0 without a semantic head."""
        return int(self._map.num_stuff(self.tensors))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the tensors without a layer in this project, except batch norm's counters."""
        known = {entry.tensor for entry in self.entries}
        return tuple(name for name in self.tensors if name not in known and not name.endswith(COUNTERS))

    @property
    def foreign_parts(self) -> tuple[str, ...]:
        """Names of the unknown tensors that act on a detector's results, such as those of a deeper ResNet."""
        return tuple(name for name in self.unknown if self.is_detector and name.startswith(self._map.USED))

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the tensors that the model needs and the file lacks.

        A head or a batch norm without any tensor in the file is not needed.
        """
        present = {_place(entry) for entry in self.entries if entry.tensor in self.tensors}
        absent = [entry for entry in self.entries if entry.tensor not in self.tensors]
        return tuple(entry.tensor for entry in absent if _place(entry) in present or self._is_essential(entry))

    @property
    def is_coco(self) -> bool:
        """Whether a detector has as many classes as its code base's models of COCO."""
        return self.num_classes == COCO_CLASSES[self.code_base]

    def settings(self) -> dict[str, Any]:
        """Derives the `model` settings of a detector from names and shapes of its tensors.

        Raises:
            UserError: a layer is missing from which one of them is derived.
        """
        try:
            return dict(self._map.settings_of(self.tensors))
        except (KeyError, IndexError) as error:
            raise self._damaged(error) from error

    def require_known_parts(self) -> None:
        """Checks that the model has all parts of a detector, without which its results would be others.

        Raises:
            UserError: there is a tensor of `foreign_parts`.
        """
        if found := self.foreign_parts:
            raise UserError(
                f"{self.path} has {len(found)} tensors of layers that this project's model lacks "
                f"({_listed(found)}): give a model with a ResNet-50 or ResNet-101 and no further layers in backbone, "
                "RPN and heads"
            )

    def layers(self) -> Layers:
        """Arranges the tensors as weights of layers; unknown ones keep their names.

        Raises:
            UserError: a tensor has a shape that its layer cannot have.
        """
        try:
            found = to_layers(self.entries, self.tensors)
        except (ValueError, IndexError) as error:
            raise self._damaged(error) from error
        return found | {name: {name: self.tensors[name]} for name in self.unknown}

    def _is_essential(self, entry: Entry) -> bool:
        """Checks whether every model with the file's heads has a tensor."""
        heads = self.settings()["heads"] if self.is_detector else ()
        lacking = [prefix for head, prefix in HEAD_LAYERS.items() if head not in heads]
        return entry.weight == "kernel" and not entry.layer.startswith(("mrcnn_class_conv2", *lacking))

    @property
    def _map(self) -> ModuleType:
        return CODE_BASES[self.code_base]

    def _damaged(self, error: Exception) -> UserError:
        return UserError(f"{self.path} is no whole model of {self.code_base}, or is damaged: {error}")


def read(path: str | os.PathLike[str]) -> ForeignFile:
    """Reads a weight file of another code base.

    Args:
        path: path of a detector or of an ImageNet ResNet by torchvision, detectron2 or Caffe2.

    Raises:
        UserError: as `state_dict.read_state_dict`; or the tensors are those of no known model.
    """
    state = state_dict.read_state_dict(path)
    tensors = _without_wrapper(state.tensors)
    if is_caffe2 := caffe2.is_backbone(tensors):
        tensors = caffe2.as_detectron2(tensors)
    elif torchvision.is_detector(tensors):  # detectron2 has some of the older names for other tensors
        tensors = torchvision.renamed(tensors)
    else:
        tensors = detectron2_heads.renamed(tensors)
    for name, code_base in CODE_BASES.items():
        if code_base.is_detector(tensors) or code_base.is_backbone(tensors):
            found = ForeignFile(state.path, state.form, name, code_base.is_detector(tensors), tensors, state.author)
            return replace(found, is_caffe2=is_caffe2)
    raise UserError(
        f"{state.path} holds {len(tensors)} tensors ({_listed(tensors)}) of an unknown model: give a Mask R-CNN or "
        "Keypoint R-CNN of torchvision or detectron2 with a ResNet-50 or ResNet-101 and a feature pyramid"
    )


def state_dict_of(
    layers: Mapping[str, Mapping[str, np.ndarray]], *, code_base: str, form: Form, counters: bool = False
) -> dict[str, np.ndarray]:
    """Arranges the weights of a model as a state dict of its code base.

    Args:
        layers: values by layer and weight, as in a weight file.
        code_base: key of `CODE_BASES`.
        form: the parts of the model.
        counters: whether each batch norm also gets its counter of batches, an int64 of 0, as PyTorch's own batch norm
            has one and a frozen one has none.
    """
    found: dict[str, np.ndarray] = {}
    for name, values in to_tensors(CODE_BASES[code_base].entries(form), layers).items():
        found[name] = values
        if counters and name.endswith("running_var"):
            found[name.removesuffix("running_var") + COUNTERS] = np.zeros((), np.int64)
    return found


def _listed(names: Collection[str]) -> str:
    return ", ".join([*list(names)[:MOST_SHOWN], *(["…"] if len(names) > MOST_SHOWN else [])])


def _place(entry: Entry) -> tuple[str, str]:
    """Returns the layer's name without numbers, and the weight's name."""
    return re.sub(r"\d+", "#", entry.tensor), entry.weight


def _without_wrapper(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Removes the prefix `module.` that PyTorch's data-parallel training adds to every name."""
    return {name.removeprefix("module."): values for name, values in tensors.items()}
