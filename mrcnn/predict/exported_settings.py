"""Reads the metadata of exported files, which `export.metadata` writes."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from mrcnn.errors import UserError
from mrcnn.predict.facts import ModelFacts
from mrcnn.project.meta import ClassMeta
from mrcnn.structures import Choices, SemanticRules

FORMAT_VERSION = 1  # of the metadata that this module reads
SETTINGS, LABELS = "settings", "labels"  # names of the two JSON texts
WEIGHTS, FLOAT32 = "weights", "float32"  # key of the kind of the weights, and the kind that is proven equal
NO_EXPORT = (
    "the file has no metadata of `mrcnn export`; export the model with this program, files of other programs have "
    "other inputs and outputs"
)


class ExportedSettings(NamedTuple):
    """The metadata of an exported file.

    Attributes:
        facts: the classes, the input and the run-time choices of its model.
        settings: the settings, such as `score_threshold`, as they are in the file.
        labels: content of labels.json.
        neutral: title of the class whose objects were ignored in training; None without one.
        mask_classes: titles of the classes whose objects trained masks; None for all.
        weights: kind of the file's weights, such as "float32"; None in files of older versions.
        made_of: the checksums of `model_folder.checksum` of the model that it was made of; empty where unknown.
    """

    facts: ModelFacts
    settings: dict[str, Any]
    labels: dict[str, Any]
    neutral: str | None = None
    mask_classes: tuple[str, ...] | None = None
    weights: str | None = None
    made_of: Mapping[str, str] = {}

    @property
    def field_settings(self) -> Mapping[str, Any]:
        """The settings of the extra fields by name; files of older versions have none."""
        found: Mapping[str, Any] = self.settings.get("fields", {})
        return found


def read(properties: Mapping[str, str]) -> ExportedSettings:
    """Reads the metadata of an exported file.

    Args:
        properties: JSON texts by name: `settings` and `labels`.

    Raises:
        UserError: the metadata is not that of an export, or of another version.
    """
    try:
        settings, labels = json.loads(properties[SETTINGS]), json.loads(properties[LABELS])
        version = settings["format_version"]
        if version != FORMAT_VERSION:
            raise UserError(
                f"the metadata has version {version}, this program reads {FORMAT_VERSION}; export the model again"
            )
        trained = settings.get("mask_classes")
        return ExportedSettings(
            _facts(settings, labels),
            settings,
            labels,
            neutral=settings.get("neutral"),
            mask_classes=None if trained is None else tuple(trained),
            weights=settings.get(WEIGHTS),
            made_of=dict(settings.get("made_of") or {}),
        )
    except UserError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(NO_EXPORT) from error


def _facts(settings: Mapping[str, Any], labels: Mapping[str, Any]) -> ModelFacts:
    titles = tuple(str(title) for title in settings["class_names"])
    stuff = [item["title"] for item in labels.get("stuff", [])]
    rules = SemanticRules(tuple(stuff), **labels.get("panoptic", {}))
    return ModelFacts(
        class_names=titles,
        class_metas=_metas(_ordered(titles[1:], settings.get("class_order")), labels.get("classes", [])),
        stuff_metas=_metas(stuff, labels.get("stuff", [])),
        min_dim=int(settings["min_dim"]),
        max_dim=int(settings["max_dim"]),
        channels=int(settings["channels"]),
        image_range=settings["image_range"],
        choices=Choices(**{name: settings[name] for name in Choices._fields}),
        maps=dict.fromkeys(settings["maps"], rules),
        needs=tuple(settings.get("needs", ())),
    )


def _ordered(titles: tuple[str, ...], order: Any) -> tuple[str, ...]:
    """Sorts titles as in the model's folder; a file of an older version has no order, and they stay as they are."""
    return tuple(order) if isinstance(order, list) and sorted(order) == sorted(titles) else titles


def _metas(titles: Any, listed: Any) -> tuple[ClassMeta, ...]:
    colors = {item["title"]: item.get("color", "") for item in listed}
    return tuple(ClassMeta(title, "bitmap", colors.get(title, "")) for title in titles)
