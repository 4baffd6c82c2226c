"""The layout of a model folder, and how a path is resolved to one.

    <folder>/config.json              settings, classes, class_title_to_idx, and `model`, the architecture's numbers
    <folder>/model_weights/model.h5
    <run>/best, <run>/last            links of a training run to two of its checkpoints, which are such folders

Source: Supervisely Mask R-CNN plugin 5.16, checkpoints.
"""

from pathlib import Path

CONFIG = "config.json"
WEIGHTS = Path("model_weights") / "model.h5"
BEST = "best"
LAST = "last"
FILE_SUFFIXES = (".h5", ".hdf5")


def folder_of(path: Path) -> Path | None:
    """Finds the model folder that a path refers to.

    Args:
        path: a model folder, the weight file inside one, or another weight file.

    Returns:
        The model folder; None for a weight file without model folder.
    """
    if path.is_dir() or not (path.is_file() or path.suffix in FILE_SUFFIXES):
        return path
    folder = path.absolute().parent.parent
    return folder if folder / WEIGHTS == path.absolute() and (folder / CONFIG).is_file() else None


def find(directory: Path, *, holds: str | Path) -> Path | None:
    """Finds the folder of a model that contains a given file.

    Args:
        directory: a model folder, or the output of a training run.
        holds: relative path of the file.

    Returns:
        The directory itself, else its `best` checkpoint; None if neither contains the file.
    """
    return next((folder for folder in (directory, directory / BEST) if (folder / holds).is_file()), None)
