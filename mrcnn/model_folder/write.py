"""Writes a model folder: config.json and the weights.

Source: Supervisely Mask R-CNN plugin 5.16: `settings`, `classes`, `class_title_to_idx`; the key `model` is new.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrcnn.model_folder.layout import CONFIG, WEIGHTS
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.weights import hdf5

BACKGROUND_COLOR = "#222222"


def folder_config(
    meta: ProjectMeta,
    class_title_to_idx: Mapping[str, int],
    *,
    settings: Mapping[str, Any],
    model: Mapping[str, Any],
    background: str,
) -> dict[str, Any]:
    """Builds the content of a checkpoint's config.json.

    Args:
        meta: meta of the training project; its classes keep their order and colours, all with the shape bitmap.
        class_title_to_idx: class id of each title; a class without id is left out, unless it is one of
            `model.stuff_classes`.
        settings: the merged train config.
        model: settings of the architecture.
        background: title of class 0, appended if the project lacks it.

    Returns:
        A dictionary ready for JSON.
    """
    kept = {*class_title_to_idx, *model.get("stuff_classes", ())}
    classes = [_class_json(item) for item in meta.classes if item.title in kept]
    if background not in {item["title"] for item in classes}:
        classes.append(_class_json(ClassMeta(background, color=BACKGROUND_COLOR)))
    return {
        "settings": dict(settings),
        "classes": classes,
        "class_title_to_idx": dict(class_title_to_idx),
        "model": dict(model),
    }


def write_folder(folder: Path, config: Mapping[str, Any], weights: hdf5.Layout) -> None:
    """Creates a model folder.

    Args:
        folder: the folder, which must not exist.
        config: the content of config.json, from `folder_config`.
        weights: the model's variables under their names in the file.

    Raises:
        UserError: the weights cannot be written.
        OSError: the folder or config.json cannot be written.
    """
    (folder / WEIGHTS).parent.mkdir(parents=True)
    (folder / CONFIG).write_text(json.dumps(config, indent=4, ensure_ascii=False), encoding="utf-8")
    hdf5.write_file(folder / WEIGHTS, weights)


def _class_json(item: ClassMeta) -> dict[str, Any]:
    return {"title": item.title, "shape": "bitmap", "color": item.color, "geometry_config": {}}
