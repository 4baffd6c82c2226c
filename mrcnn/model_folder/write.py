"""What a checkpoint's config.json says.

Source: Supervisely Mask R-CNN plugin 5.16: `settings`, `classes`, `class_title_to_idx`; new is `model`.
"""

from collections.abc import Mapping
from typing import Any

from mrcnn.project.meta import ClassMeta, ProjectMeta

BACKGROUND_COLOR = "#222222"


def folder_config(
    meta: ProjectMeta,
    class_title_to_idx: Mapping[str, int],
    *,
    settings: Mapping[str, Any],
    model: Mapping[str, Any],
    background: str,
) -> dict[str, Any]:
    """Makes the content of a checkpoint's config.json.

    Args:
        meta: the training project's, whose classes keep their order and colours; all become bitmaps.
        class_title_to_idx: of the network; a class without a number, the neutral one, is left out.
        settings: the merged train config.
        model: the architecture's numbers.
        background: title of class 0, appended where the project lacks it.
    """
    classes = [_class_json(item) for item in meta.classes if item.title in class_title_to_idx]
    if background not in {item["title"] for item in classes}:
        classes.append(_class_json(ClassMeta(background, color=BACKGROUND_COLOR)))
    return {
        "settings": dict(settings),
        "classes": classes,
        "class_title_to_idx": dict(class_title_to_idx),
        "model": dict(model),
    }


def _class_json(item: ClassMeta) -> dict[str, Any]:
    return {"title": item.title, "shape": "bitmap", "color": item.color, "geometry_config": {}}
