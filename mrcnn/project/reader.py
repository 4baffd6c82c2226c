"""Finds and reads a Supervisely project on disk.

    <project>/meta.json
    <project>/<dataset>/img/<name.ext>
    <project>/<dataset>/ann/<name.ext>.json, in old projects <name>.json
    <project>/<dataset>/datasets/<child>/…, data sets inside data sets

Other files and folders are ignored; links are followed. Source: Supervisely project format, 2020 to 2026.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrcnn import files
from mrcnn.errors import UserError
from mrcnn.project import listing
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta

BLOB, OFFSETS = "blob", "_offsets.pkl"  # where newer exports may keep images: archives, and pickles that index them
MOST_JSON = 2**29  # bytes of an annotation file
NESTED = "datasets"  # the folder of a data set that holds its children


@dataclass(frozen=True)
class Item:
    """One image of a project and its annotation file.

    Attributes:
        dataset: name of the data set, `parent/child` for a nested one.
        name: file name of the image.
        image_path: of the image file.
        ann_path: of the annotation file.
    """

    dataset: str
    name: str
    image_path: Path
    ann_path: Path

    def read_annotation(self, meta: ProjectMeta) -> Annotation:
        """Reads the annotation.

        Raises:
            UserError: the file cannot be read or is malformed; the message names the file.
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
        project, problems = cls.scan(directory)
        if problems:
            more = f" ({len(problems) - 1} more such problems: see python -m mrcnn check)"
            raise UserError(problems[0] + (more if problems[1:] else ""))
        return project

    @classmethod
    def scan(cls, directory: str | os.PathLike[str]) -> tuple["Project", list[str]]:
        """Opens a project and collects problems instead of raising at the first.

        Returns:
            The project with the images that have an annotation file of their own, perhaps none; and one line for each
            problem for which `open` refuses the project.

        Raises:
            UserError: there is no or more than one project, or its meta is malformed.
        """
        path = find_project(Path(directory))
        try:
            meta = ProjectMeta.from_json(read_json(path / "meta.json"))
        except UserError as error:
            raise UserError(f"{path / 'meta.json'}: {error}") from error
        items: list[Item] = []
        warnings: list[str] = []
        problems: list[str] = []
        for dataset, folder in _find_datasets(path):
            if not (folder / "img").is_dir():
                warnings.append(_why_no_images(dataset, folder, path))
                continue
            found, wrong = _read_dataset(dataset, folder)
            items.extend(found)
            problems.extend(wrong)
            warnings.extend((*_passed_over(dataset, folder), *_orphans(dataset, folder, found)))
        if not items and not problems:
            detail = f" ({warnings[0]})" if warnings else ""
            problems = [f"the project {path} has no images; put them into {path}/<data set>/img{detail}"]
        return cls(path, path.resolve().name, meta, tuple(items), tuple(warnings)), problems


def find_project(directory: Path) -> Path:
    """Finds the project that is the directory, or the only one inside it.

    Raises:
        UserError: the directory does not exist, or holds no or more than one project.
    """
    if not directory.is_dir():
        raise UserError(f"the project folder {directory} does not exist")
    found: dict[Path, Path] = {}
    waiting = [directory]
    while waiting:
        folder = waiting.pop(0)
        if (folder / "meta.json").is_file():
            found.setdefault(folder.resolve(), folder)  # a project reached by two paths counts once
        else:
            waiting = [*_folders(folder), *waiting]
    if not found:
        raise UserError(f"no project in {directory}: neither it nor a folder inside it holds a meta.json")
    if len(found) > 1:
        names = ", ".join(str(path) for path in list(found.values())[:5])
        raise UserError(f"{directory} must hold one project, found {len(found)} ({names}); name the one to use")
    return next(iter(found.values()))


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        UserError: the file is missing, longer than `MOST_JSON` or no JSON; the message names it.
    """
    try:
        return json.loads(files.read_bytes(path, what="file", most=MOST_JSON))
    except UserError:
        raise
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error


def image_names(folder: Path) -> list[str]:
    """Lists the images in a folder, sorted by name; a dangling link is listed too."""
    return [path.name for path in _files(folder) if listing.is_image(path)]


def _find_datasets(project: Path) -> Iterator[tuple[str, Path]]:
    """Yields each data set as (name, folder), a parent before its children.

    A data set is a folder that holds `img` or `ann`; its children lie in its folder `datasets`.
    """
    waiting = [(folder.name, folder) for folder in _folders(project)]
    while waiting:
        name, folder = waiting.pop(0)
        if (folder / "img").is_dir() or (folder / "ann").is_dir():
            yield name, folder
        waiting = [(f"{name}/{child.name}", child) for child in _folders(folder / NESTED)] + waiting


def _folders(parent: Path) -> list[Path]:
    paths = [Path(entry.path) for entry in _entries(parent)]
    return [path for path in paths if path.is_dir() and not _leads_up(path)]


def _leads_up(path: Path) -> bool:
    """Checks whether a path links to one of its own parent folders, an endless loop."""
    return path.is_symlink() and path.resolve() in {folder.resolve() for folder in path.absolute().parents}


def _why_no_images(dataset: str, folder: Path, project: Path) -> str:
    if (project / BLOB).is_dir() or any(folder.glob(f"*{OFFSETS}")):
        return (
            f"data set {dataset} of {project} keeps its images in archives ({BLOB}/*.tar with *{OFFSETS}), which are "
            "not read; export the project with image files"
        )
    return f"data set {dataset} of {project} has no folder img, its annotations are left out"


def _passed_over(dataset: str, folder: Path) -> list[str]:
    parts = listing.passed_over(_files(folder / "img"))
    return [f"data set {dataset} has files that are passed over: {', '.join(parts)}"] if parts else []


def _orphans(dataset: str, folder: Path, items: Iterable[Item]) -> list[str]:
    used = {item.ann_path.name for item in items}
    names = [path.name for path in _files(folder / "ann") if path.suffix == ".json" and path.name not in used]
    few = ", ".join(names[:3]) + (", …" if names[3:] else "")
    return [f"data set {dataset} has {len(names)} annotation files without an image ({few})"] if names else []


def _files(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder) if not entry.is_dir(follow_symlinks=False)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Lists the entries of a folder, sorted by name, without hidden ones.

    Returns:
        Entries whose names do not begin with a dot; none where the folder does not exist.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        return sorted(
            (item for item in os.scandir(folder) if not item.name.startswith(".")), key=lambda item: item.name
        )
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"cannot read the folder {folder}: {error.strerror or error}") from error


def _read_dataset(dataset: str, folder: Path) -> tuple[list[Item], list[str]]:
    annotations = {path.name for path in _files(folder / "ann")}
    image_of: dict[str, str] = {}
    items, problems = [], []
    for image in image_names(folder / "img"):
        candidates = (f"{image}.json", f"{os.path.splitext(image)[0]}.json")
        annotation = next((name for name in candidates if name in annotations), None)
        if annotation is None:
            problems.append(
                f"image {image} in data set {dataset} has no annotation file; expected {folder / 'ann' / candidates[0]}"
            )
        elif annotation in image_of:
            problems.append(
                f"annotation {folder / 'ann' / annotation} belongs to two images, {image_of[annotation]} and {image}; "
                f"give each its own, named <image file name>.json"
            )
        else:
            image_of[annotation] = image
            items.append(Item(dataset, image, folder / "img" / image, folder / "ann" / annotation))
    return items, problems
