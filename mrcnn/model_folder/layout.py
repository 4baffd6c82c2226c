"""The layout of a model folder, and how a path is resolved to one.

    <folder>/config.json              settings, classes, class_title_to_idx, and `model`, the architecture's numbers
    <folder>/model_weights/model.h5      or model.safetensors, model.pth, model.pt, model.pkl of another code base
    <run>/best, <run>/last            links of a training run to two of its checkpoints, which are such folders

Source: Supervisely Mask R-CNN plugin 5.16, checkpoints.
"""

from pathlib import Path
from typing import NamedTuple

from mrcnn.errors import UserError
from mrcnn.weights import published

COCO = "coco"  # stands for Matterport's release file, which is downloaded once
CONFIG = "config.json"
WEIGHTS = Path("model_weights") / "model.h5"
BEST = "best"
LAST = "last"
FOREIGN_SUFFIXES = (".safetensors", ".pth", ".pt", ".pkl")  # of weights of other code bases
FOLDER_SUFFIXES = (WEIGHTS.suffix, *FOREIGN_SUFFIXES)  # of the weight file in a model folder
FILE_SUFFIXES = (".h5", ".hdf5", *FOREIGN_SUFFIXES)
# no training can start of them
EXPORT_FILES = ("model.keras", "model.onnx", "model.tflite", "model.xml", "saved_model.pb")
EXPORT_SUFFIXES = tuple(Path(name).suffix for name in EXPORT_FILES)


class ModelFiles(NamedTuple):
    """The files of a model.

    Attributes:
        weights: the weight file.
        config: config.json; None without one.
        folder: the model folder; None for a weight file without model folder.
    """

    weights: Path
    config: Path | None = None
    folder: Path | None = None


def is_in_folder(weights: Path) -> bool:
    """Checks whether a weight file has the path of one in a model folder."""
    place = weights.absolute()
    return place.parent.name == WEIGHTS.parent.name and place.stem == WEIGHTS.stem and place.suffix in FOLDER_SUFFIXES


def weights_in(folder: Path) -> Path:
    """Finds the weight file of a model folder; of several, `model.h5`, which need not exist."""
    of_others = [(folder / WEIGHTS).with_suffix(suffix) for suffix in FOREIGN_SUFFIXES]
    return next((path for path in (folder / WEIGHTS, *of_others) if path.is_file()), folder / WEIGHTS)


def is_release(model: str | Path) -> bool:
    """Checks whether a model is the name of a published file, and not a path.

    Raises:
        UserError: the name begins like one of a published model, but there is none.
    """
    return (str(model) == COCO and not Path(model).exists()) or published.find(model) is not None


def locate(path: Path, *, holds: str | Path) -> ModelFiles | None:
    """Locates the files of the model that a path refers to.

    Args:
        path: a model folder, the output of a training run, whose `best` checkpoint is used, the weight file inside a
            model folder, or another weight file, which need not exist.
        holds: the file that a folder must contain, `CONFIG` or `WEIGHTS`.

    Returns:
        The files; None where neither the folder nor its `best` checkpoint contains `holds`.
    """
    if path.is_file() or (path.suffix in FILE_SUFFIXES and not path.is_dir()):
        around = path.absolute().parent.parent
        if is_in_folder(path) and (around / CONFIG).is_file():
            return ModelFiles(path, around / CONFIG, around)
        return ModelFiles(path)
    places = (path, path / BEST)
    folder = next(
        (place for place in places if (weights_in(place) if holds == WEIGHTS else place / holds).is_file()), None
    )
    if folder is None:
        return None
    config = folder / CONFIG
    return ModelFiles(weights_in(folder), config if config.is_file() else None, folder)


def check_no_export(path: Path) -> None:
    """Checks that a path is not that of an exported graph.

    Raises:
        UserError: it is such a file, or a folder with one and without a model; the message says which commands run it.
    """
    inside = any((path / name).is_file() for name in EXPORT_FILES)
    is_model = any(locate(path, holds=name) is not None for name in (CONFIG, WEIGHTS))
    if path.suffix.lower() in EXPORT_SUFFIXES or (inside and not is_model):
        raise UserError(
            f"{path} is an exported model, which only inference, evaluation and the service run, see docs/export.md; "
            "give the model folder that it was made of"
        )


def find_model(path: Path) -> ModelFiles:
    """Finds the files of a trained model, without reading them.

    Args:
        path: as for `locate`.

    Returns:
        The files, with a config.json unless `path` is a weight file without model folder.

    Raises:
        UserError: there is no such folder; the message names a folder inside it that is one. Or it is an export.
    """
    check_no_export(path)
    found = locate(path, holds=CONFIG)
    if found is not None:
        return found
    if not path.is_dir():
        raise UserError(f"the model folder {path} does not exist")
    inside = sorted(place.parent.name for place in path.glob(f"*/{CONFIG}"))
    hint = f"name one of the folders inside it, e.g. {path / inside[-1]}" if inside else "train a model first"
    raise UserError(f"the model folder {path} has neither {CONFIG} nor {BEST}/{CONFIG}; {hint}")


def require_start(model: str | None, *, weights_init_type: str) -> str:
    """Checks that start weights are named.

    Raises:
        UserError: `model` is None; the message says what to give.
    """
    if model is None:
        raise UserError(
            f"`weights_init_type` {weights_init_type} needs start weights: give --model a model folder, a "
            "weight file, coco or the name of a published model, or use imagenet or random"
        )
    return model


def find_start(path: Path) -> ModelFiles:
    """Finds the files of the model that training starts from, without reading them.

    Args:
        path: as for `locate`.

    Raises:
        UserError: there is no weight file; the message says what is expected. Or it is an export.
    """
    check_no_export(path)
    found = locate(path, holds=WEIGHTS)
    if found is None or not found.weights.is_file():
        raise UserError(
            f"the start weights are missing: {path / WEIGHTS} does not exist. Give --model a model folder, a "
            "weight file, coco or the name of a published model, or set `weights_init_type` to imagenet or random"
        )
    return found
