"""Finds the files of the model that `--model` names, or downloads a published one.

`layout` holds what needs no download, and so no TensorFlow.
"""

from pathlib import Path

from mrcnn.model_folder import layout
from mrcnn.model_folder.layout import ModelFiles
from mrcnn.weights import download, published


def find_model(model: str | Path) -> ModelFiles:
    """Finds the files of a trained model, without reading them.

    Args:
        model: `coco` for Matterport's release file or a name of `published.MODELS`, which are downloaded once; else as
            for `layout.locate`.

    Raises:
        UserError: as `layout.find_model`; or the download failed.
    """
    return layout.find_model(_path(model))


def find_start(model: str | Path) -> ModelFiles:
    """Finds the files of the model that training starts from, without reading them.

    Args:
        model: as for `find_model`.

    Raises:
        UserError: as `layout.find_start`; or the download failed.
    """
    return layout.find_start(_path(model))


def _path(model: str | Path) -> Path:
    if not layout.is_release(model):
        return Path(model)
    found = published.find(model)
    return Path(download.matterport_coco_file() if found is None else download.published_file(found))
