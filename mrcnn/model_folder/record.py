"""Reads what a model folder records of its training, from config.json.

Source: Supervisely Mask R-CNN plugin 5.16: `settings`, `classes`, `class_title_to_idx`; the key `model` is new.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrcnn.config import errors, family, legacy
from mrcnn.config.base import PRECISIONS
from mrcnn.config.load import load_json
from mrcnn.config.model import ModelConfig
from mrcnn.errors import UserError

DEFAULT_PRECISION = "float32"


@dataclass(frozen=True)
class Record:
    """The config.json of a model folder.

    Attributes:
        path: the file.
        content: its JSON object, unchecked.
    """

    path: Path
    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Reads the file.

        Raises:
            UserError: it is missing, unreadable, or no JSON object.
        """
        return cls(path, load_json(path))

    @property
    def class_title_to_idx(self) -> dict[str, int] | None:
        """The class id of each title; None where it is missing or malformed."""
        mapping = self.content.get("class_title_to_idx")
        if not isinstance(mapping, dict) or not all(type(index) is int for index in mapping.values()):
            return None
        return mapping

    @property
    def input_size(self) -> Mapping[str, Any]:
        """The object `settings.input_size`, unchecked; empty where it is missing or malformed."""
        return _mapping(self._settings.get("input_size"))

    @property
    def input_shape(self) -> str:
        """Shape of the model input: `rectangle`, or `square`, also where it is missing."""
        return "rectangle" if self.input_size.get("shape") == "rectangle" else "square"

    @property
    def precision(self) -> str:
        """Precision of the training; float32 where it is missing."""
        found = self._settings.get("precision")
        return str(found) if found in PRECISIONS else DEFAULT_PRECISION

    @property
    def weights_init_type(self) -> str | None:
        """How the training began, unchecked; None where it is missing."""
        return self._settings.get("weights_init_type")

    @property
    def train_batch(self) -> int | None:
        """Images of a training batch; None where it is missing or no whole number from 1."""
        size = _mapping(self._settings.get("batch_size")).get("train")
        return size if type(size) is int and size >= 1 else None

    @property
    def mask_classes(self) -> tuple[str, ...] | None:
        """Titles of the classes whose objects trained masks; None for all, also where it is missing or malformed."""
        titles = self._settings.get("allowed_mask_classes")
        return tuple(map(str, titles)) if isinstance(titles, list) else None

    def model(self) -> ModelConfig:
        """Checks the settings of the network; those of the plugin's network where the key `model` is missing.

        Raises:
            UserError: the key `model` is malformed.
        """
        found = legacy.folder_model(self.content)
        if not isinstance(found, Mapping):
            raise UserError(f"{self.path}: `model` must be an object, got {errors.shown(found)}")
        return family.check_model(found, path=f"{self.path}: model")

    def counts(self, *names: str) -> dict[str, int]:
        """Selects those keys of `model` whose values are whole numbers from 1; others are left out."""
        found = _mapping(self.content.get("model"))
        return {name: found[name] for name in names if type(found.get(name)) is int and found[name] >= 1}

    @property
    def _settings(self) -> Mapping[str, Any]:
        return _mapping(self.content.get("settings"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
