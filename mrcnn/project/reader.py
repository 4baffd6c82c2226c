"""Finds and reads a Supervisely project on disk.

    <project>/meta.json
    <project>/<dataset>/img/<name.ext>
    <project>/<dataset>/ann/<name.ext>.json, in old projects <name>.json
    <project>/<dataset>/datasets/<child>/…, data sets inside data sets

Other files and folders are ignored. Source: Supervisely project format, 2020 to 2026.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrcnn.events import UserError
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta

IMAGE_EXTENSIONS = frozenset({".jpg", ".jpeg", ".jfif", ".mpo", ".bmp", ".png", ".webp", ".tif", ".tiff"})
NESTED = "datasets"  # the folder of a data set that holds its children


@dataclass(frozen=True)
class Item:
    """One image of a project and its annotation file; `dataset` of a nested data set is `parent/child`."""

    dataset: str
    name: str
    image_path: Path
    ann_path: Path

    def read_annotation(self, meta: ProjectMeta) -> Annotation:
        """Reads the annotation.

        Raises:
            UserError: the file cannot be read or is malformed; names the file.
        """
        try:
            return Annotation.from_json(read_json(self.ann_path), meta)
        except UserError as error:
            message = str(error)
            raise UserError(message if str(self.ann_path) in message else f"{self.ann_path}: {message}") from error


@dataclass(frozen=True)
class Project:
    """A project on disk; its items are sorted by data set and name.

    Attributes:
        path: the folder that holds `meta.json`.
        name: the folder's name.
        meta: classes and tags.
        items: the images; at least one.
        warnings: what was left out and why, one line each.
    """

    path: Path
    name: str
    meta: ProjectMeta
    items: tuple[Item, ...]
    warnings: tuple[str, ...] = ()

    @classmethod
    def open(cls, directory: str | os.PathLike[str]) -> "Project":
        """Opens the project that is the directory, or the only one inside it.

        Raises:
            UserError: there is no or more than one project, its meta is malformed, it has no image, an image has no
                annotation file, or one old-style annotation file belongs to two images.
        """
        path = _find_project(Path(directory))
        try:
            meta = ProjectMeta.from_json(read_json(path / "meta.json"))
        except UserError as error:
            raise UserError(f"{path / 'meta.json'}: {error}") from error
        items: list[Item] = []
        warnings: list[str] = []
        for dataset, folder in _find_datasets(path):
            if not (folder / "img").is_dir():
                warnings.append(f"data set {dataset} of {path} has no folder img, its annotations are left out")
                continue
            items.extend(_read_dataset(dataset, folder))
        if not items:
            detail = f" ({warnings[0]})" if warnings else ""
            raise UserError(f"the project {path} has no images; put them into {path}/<data set>/img{detail}")
        return cls(path, path.resolve().name, meta, tuple(items), tuple(warnings))


def read_json(path: Path) -> Any:
    """Reads a JSON file; raises `UserError` with the file's name when it is missing or no JSON."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error


def _find_project(directory: Path) -> Path:
    if not directory.is_dir():
        raise UserError(f"the project folder {directory} does not exist")
    found = []
    for root, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "meta.json" in files:
            found.append(Path(root))
            folders.clear()
    if not found:
        raise UserError(f"no project in {directory}: neither it nor a folder inside it holds a meta.json")
    if len(found) > 1:
        names = ", ".join(str(path) for path in found[:5])
        raise UserError(f"{directory} must hold one project, found {len(found)} ({names}); name the one to use")
    return found[0]


def _find_datasets(project: Path) -> Iterator[tuple[str, Path]]:
    """Yields the data sets as (name, folder), a parent before its children; they hold `img`, `ann` or `datasets`."""
    waiting = [(folder.name, folder) for folder in _folders(project)]
    while waiting:
        name, folder = waiting.pop(0)
        if (folder / "img").is_dir() or (folder / "ann").is_dir():
            yield name, folder
        waiting = [(f"{name}/{child.name}", child) for child in _folders(folder / NESTED)] + waiting


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))


def _read_dataset(dataset: str, folder: Path) -> Sequence[Item]:
    images = sorted(
        entry.name
        for entry in os.scandir(folder / "img")
        if os.path.splitext(entry.name)[1].lower() in IMAGE_EXTENSIONS and not entry.name.startswith(".")
    )
    annotations = set(os.listdir(folder / "ann")) if (folder / "ann").is_dir() else set()
    image_of: dict[str, str] = {}
    items = []
    for image in images:
        candidates = (f"{image}.json", f"{os.path.splitext(image)[0]}.json")
        annotation = next((name for name in candidates if name in annotations), None)
        if annotation is None:
            raise UserError(
                f"image {image} in data set {dataset} has no annotation file; expected {folder / 'ann' / candidates[0]}"
            )
        if annotation in image_of:
            raise UserError(
                f"annotation {folder / 'ann' / annotation} belongs to two images, {image_of[annotation]} and {image}; "
                f"give each its own, named <image file name>.json"
            )
        image_of[annotation] = image
        items.append(Item(dataset, image, folder / "img" / image, folder / "ann" / annotation))
    return items
