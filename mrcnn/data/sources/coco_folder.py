"""Opens Roboflow's COCO export as a source: a folder with `train`, `valid` and `test`.

Each has its images and a COCO file. `train` trains, `valid` validates; `test` is not read. Without `valid`, a fifth of
the training images validates.
"""

from dataclasses import replace
from pathlib import Path

from mrcnn.data.sources import coco
from mrcnn.data.sources.source import DataPaths, Source
from mrcnn.errors import UserError

WHAT = "Roboflow's COCO export (a folder with train/_annotations.coco.json)"
FILE = "_annotations.coco.json"
TRAIN, VAL = "train", ("valid", "val")  # folders


def fits(path: Path) -> bool:
    """Checks whether a path is a folder with a COCO file of training images."""
    return (path / TRAIN / FILE).is_file()


def open_source(paths: DataPaths) -> Source:
    """Reads the files of `train` and `valid`; errors as for `coco.open_source` and `expand`."""
    return replace(coco.open_source(expand(paths)), name=paths.data.resolve().name)


def check_paths(paths: DataPaths) -> None:
    """Checks that the files exist, without reading them; errors as for `expand`."""
    coco.check_paths(expand(paths))


def expand(paths: DataPaths) -> DataPaths:
    """Names the files and folders of images of the folder.

    Raises:
        UserError: further paths are given.
    """
    if paths.images or paths.val_data or paths.val_images:
        raise UserError(
            f"{paths.data} holds its images and splits: leave out --images, --val-data and --val-images, or name the "
            f"files, such as {paths.data / TRAIN / FILE}"
        )
    val = next((paths.data / name for name in VAL if (paths.data / name / FILE).is_file()), None)
    train = paths.data / TRAIN
    return replace(paths, data=train / FILE, images=train, val_data=val and val / FILE, val_images=val)
