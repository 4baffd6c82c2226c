"""The table of the formats of annotated images; finds the format of a path.

A further format is one line of `FORMATS`, a label format one of `mrcnn.data.formats.table.READERS`; other code may add
one of its own. Where several fit a path, the last one is used: a project rather than a label format, and COCO last.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mrcnn.data.formats.table import READERS
from mrcnn.data.sources import coco, coco_folder, formats, supervisely
from mrcnn.data.sources.source import DataPaths, ImageList, Source
from mrcnn.errors import UserError


class Format(NamedTuple):
    """One format of annotated images.

    Attributes:
        what: how a user recognizes it, for messages.
        fits: checks whether a path has this format, without reading much.
        open: opens the data with its annotations.
        list_images: lists the images for inference, which then reads no annotation; None for a format whose
            annotations inference keeps beside what it finds.
        check_paths: checks that the named files and folders exist, without reading them; None for no check.
    """

    what: str
    fits: Callable[[Path], bool]
    open: Callable[[DataPaths], Source]
    list_images: Callable[[DataPaths], ImageList] | None = None
    check_paths: Callable[[DataPaths], object] | None = None


PROJECT = "supervisely"
FORMATS: dict[str, Format] = {
    "coco": Format("a COCO instance file (.json)", coco.fits, coco.open_source, coco.list_images, coco.check_paths),
    "coco_folder": Format(
        coco_folder.WHAT, coco_folder.fits, coco_folder.open_source, check_paths=coco_folder.check_paths
    ),
    **{
        name: Format(reader.what, reader.fits, formats.opener(name), check_paths=formats.check_paths)
        for name, reader in reversed(READERS.items())
    },
    PROJECT: Format(
        "a Supervisely project (a folder with meta.json)",
        supervisely.fits,
        supervisely.open_source,
        check_paths=supervisely.check_paths,
    ),
}


def find(path: Path) -> Format:
    """Finds the format of a path.

    Raises:
        UserError: the path does not exist, or has none of the formats.
    """
    for candidate in reversed(FORMATS.values()):
        if candidate.fits(path):
            return candidate
    if not path.exists():
        raise UserError(f"the data {path} does not exist")
    known = "; ".join(item.what for item in FORMATS.values())
    raise UserError(f"{path} is in none of the known formats of annotated images; give one of: {known}")


def open_source(paths: DataPaths, fields: Sequence[str] | None = None) -> Source:
    """Opens data with its annotations, in whichever format it is.

    Args:
        paths: of the data.
        fields: names of the objects' extra fields that the run needs; None for those of `paths`.

    Raises:
        UserError: the path has none of the formats, or the data is malformed.
    """
    asked = paths if fields is None else replace(paths, fields=tuple(fields))
    return find(paths.data).open(asked)


def check_paths(paths: DataPaths) -> None:
    """Checks that the files and folders of data exist, without reading them.

    Raises:
        UserError: one does not exist or is not named, or `paths.data` has none of the formats.
    """
    found = find(paths.data)
    if found.check_paths:
        found.check_paths(paths)
