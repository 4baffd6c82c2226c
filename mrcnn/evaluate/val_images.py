"""Finds the images that a training on some data validates on, to evaluate these alone."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mrcnn.data.sources import table
from mrcnn.data.sources.source import DataPaths, Settings
from mrcnn.errors import UserError, counted
from mrcnn.model_folder import layout
from mrcnn.predict.sources import Source

RUN = "run.json"  # in the output folder of a training


def settings_of(model: str | Path) -> Settings:
    """Reads the settings of a trained model that decide which images validate.

    Args:
        model: folder of the model.

    Returns:
        The defaults where the folder does not state them: for a lone weight file, or a model of other code.
    """
    settings = _mapping(_read(Path(model) / layout.CONFIG).get("settings"))
    tags, special = _mapping(settings.get("dataset_tags")), _mapping(settings.get("special_classes"))
    found = {
        "train_tag": tags.get("train"),
        "val_tag": tags.get("val"),
        "background": special.get("background"),
        "neutral": special.get("neutral"),
        "seed": settings.get("seed"),
    }
    return Settings(**{name: value for name, value in found.items() if value is not None})


def chosen(source: Source, paths: DataPaths, settings: Settings) -> Source:
    """Keeps the images that a training with these settings validates on.

    They have the tag for validation, are in the data's own split, or are drawn by the seed.

    Args:
        source: of the data.
        paths: of the same data.
        settings: of the training.

    Raises:
        UserError: the data has no validation image.
    """
    data = table.open_source(paths)
    items, annotations = [], []
    for item in data.items:
        try:
            annotation = item.read_annotation(data.meta)
        except UserError:
            continue
        items.append(item)
        annotations.append(annotation)
    used = {(items[index].dataset, items[index].name) for index in data.split(items, annotations, settings).val}
    return replace(source, entries=tuple(one for one in source.entries if (one.dataset, one.name) in used))


def warning(model: str | Path, source: Source) -> str | None:
    """Writes a warning where the run of a model recorded training data of the name of a source; None elsewhere.

    Args:
        model: folder of the model, or of the training with the model inside.
        source: of which all images are evaluated.
    """
    runs = (Path(model), Path(model).resolve().parent)
    if all(_mapping(_read(folder / RUN).get("data")).get("name") != source.name for folder in runs):
        return None
    count = counted(len(source.entries), "image")
    return (
        f"all {count} of {source.name} are evaluated, and data of this name trained the model: --val takes the "
        "validation images of a training alone"
    )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
