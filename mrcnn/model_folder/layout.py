"""The layout of a model folder, and how a path is resolved to one.

    <folder>/config.json              settings, classes, class_title_to_idx, and `model`, the architecture's numbers
    <folder>/model_weights/model.h5
    <run>/best, <run>/last            links of a training run to two of its checkpoints, which are such folders

Source: Supervisely Mask R-CNN plugin 5.16, checkpoints.
"""

from pathlib import Path

from mrcnn.errors import UserError

CONFIG = "config.json"
WEIGHTS = Path("model_weights") / "model.h5"
BEST = "best"
LAST = "last"
FILE_SUFFIXES = (".h5", ".hdf5")


def is_in_folder(weights: Path) -> bool:
    """Checks whether a weight file has the path of one in a model folder."""
    return weights.absolute().parts[-len(WEIGHTS.parts) :] == WEIGHTS.parts


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


def find_model(directory: Path) -> Path:
    """Finds the folder with the config.json of a trained model.

    Args:
        directory: a model folder, or the output of a training run.

    Returns:
        The directory itself, else its `best` checkpoint.

    Raises:
        UserError: there is no such folder; the message names a folder inside it that is one.
    """
    found = find(directory, holds=CONFIG)
    if found is not None:
        return found
    if not directory.is_dir():
        raise UserError(f"the model folder {directory} does not exist")
    inside = sorted(path.parent.name for path in directory.glob(f"*/{CONFIG}"))
    hint = f"name one of the folders inside it, e.g. {directory / inside[-1]}" if inside else "train a model first"
    raise UserError(f"the model folder {directory} has neither {CONFIG} nor {BEST}/{CONFIG}; {hint}")


def require_start(model: str | None, *, weights_init_type: str) -> str:
    """Checks that start weights are named.

    Raises:
        UserError: `model` is None; the message says what to give.
    """
    if model is None:
        raise UserError(
            f"`weights_init_type` {weights_init_type} needs start weights: give --model a model folder, an .h5 "
            "file or coco, or use imagenet or random"
        )
    return model


def find_start(path: Path) -> tuple[Path, Path | None]:
    """Finds the files of the model that training starts from, without reading them.

    Args:
        path: a model folder, the output of a training run, whose `best` checkpoint is used, or an HDF5 file, which is
            used with the config.json of its model folder if it has one.

    Returns:
        The weight file, and config.json; None for a weight file without it.

    Raises:
        UserError: there is no weight file; the message says what is expected.
    """
    if path.is_file():
        own = folder_of(path)
        return path, own / CONFIG if own else None
    folder = find(path, holds=WEIGHTS)
    if folder is not None:
        config = folder / CONFIG
        return folder / WEIGHTS, config if config.is_file() else None
    raise UserError(
        f"the start weights are missing: {path / WEIGHTS} does not exist. Give --model a model folder, an "
        ".h5 file or coco, or set `weights_init_type` to imagenet or random"
    )
