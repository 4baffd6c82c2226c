"""Finds the image files that a command line names as files, glob patterns or folders."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mrcnn.errors import UserError
from mrcnn.project import listing

NOT_FOLLOWED = "links to folders are not followed"
HINT = "--recursive looks into them"
Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class ImageFiles:
    """Image files below one folder.

    Attributes:
        base: absolute path of the folder.
        paths: the files without duplicates, sorted by folder and name; at least one.
        warnings: the files and folders that were ignored, one line for each searched place.
    """

    base: Path
    paths: tuple[Path, ...]
    warnings: tuple[str, ...]


def find(places: Paths, *, recursive: bool = False, hint: str = HINT) -> ImageFiles:
    """Finds images by their extensions.

    Args:
        places: one or more of: a folder; an image file; a pattern with `*`, `?` or `[`, where `**` matches any
            folders. A path that exists is never read as a pattern.
        recursive: search the subfolders of folders too; links to folders are not followed.
        hint: how the user can have subfolders searched, for the warning that they were not.

    Returns:
        The images of all places together.

    Raises:
        UserError: a place does not exist or has no image, or a named file has an unsupported extension.
    """
    places = [places] if isinstance(places, str | os.PathLike) else list(places)
    found: dict[Path, Path] = {}  # keyed by absolute path, so that each file occurs once
    bases, warnings = [], []
    for place in places:
        base, files, warning = _find_one(place, hint=NOT_FOLLOWED if recursive else hint, recursive=recursive)
        bases.append(base.absolute())
        found |= {path.absolute(): path for path in files if path.absolute() not in found}
        warnings += warning
    paths = sorted(found.values(), key=lambda path: (path.absolute().parent, path.name))
    return ImageFiles(Path(os.path.commonpath(bases)), tuple(paths), tuple(warnings))


def _find_one(place: str | os.PathLike[str], *, recursive: bool, hint: str) -> tuple[Path, list[Path], list[str]]:
    """Finds the images of one place.

    Returns:
        base: the folder that names are relative to.
        paths: the images.
        warnings: the files and folders that were ignored, one line each.
    """
    path = Path(place)
    if path.is_dir():
        return _in_folder(path, recursive=recursive, hint=hint)
    if path.exists():
        if listing.is_overlong(path.name):
            raise UserError(f"the name of the image {path} is too long for that of an annotation file; rename it")
        if not listing.is_image(path):
            raise UserError(f"the image {path} has an extension that is not read; these are: {_kinds()}")
        return path.parent, [path], []
    if glob.has_magic(str(place)):
        return _by_pattern(str(place))
    raise UserError(f"the image folder, file or pattern {path} does not exist")


def _in_folder(folder: Path, *, recursive: bool, hint: str) -> tuple[Path, list[Path], list[str]]:
    images: list[Path] = []
    warnings: list[str] = []
    for place, inside, files in _walk(folder):
        images += [place / name for name in files if listing.is_image(Path(name))]
        left = [name for name in inside if (place / name).is_symlink()] if recursive else inside
        if parts := listing.passed_over(map(Path, files), folders=left, hint=hint):
            warnings.append(f"passed over in {place}: {', '.join(parts)}")
        if not recursive:
            break
    if not images:
        more = f" ({warnings[0]})" if warnings else ""
        raise UserError(f"the image folder {folder} has no image{more}; these kinds are read: {_kinds()}")
    return folder, images, warnings


def _walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Walks a folder tree in sorted order and skips names that begin with a dot."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(place), list(folders), sorted(name for name in files if not name.startswith("."))


def _by_pattern(pattern: str) -> tuple[Path, list[Path], list[str]]:
    matches = sorted(map(Path, glob.glob(pattern, recursive=True)))
    images = [path for path in matches if listing.is_image(path) and not path.is_dir()]
    folders = [path.name for path in matches if path.is_dir()]
    parts = listing.passed_over([path for path in matches if not path.is_dir()], folders=folders)
    warnings = [f"passed over of {pattern}: {', '.join(parts)}"] if parts else []
    if not images:
        more = f" ({warnings[0]})" if warnings else ""
        raise UserError(f"the pattern {pattern} matches no image{more}; these kinds are read: {_kinds()}")
    return Path(os.path.commonpath([path.absolute().parent for path in images])), images, warnings


def _kinds() -> str:
    return " ".join(sorted(listing.IMAGE_EXTENSIONS))
