"""Finds the image files of annotations, their sizes and names."""

import json
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from mrcnn import files
from mrcnn.data.coco import masks
from mrcnn.data.coco.images import ImageFolder
from mrcnn.data.formats.objects import ObjectList
from mrcnn.data.formats.record import Found, Job
from mrcnn.errors import UserError
from mrcnn.images import image_file
from mrcnn.project import listing
from mrcnn.project.annotation import Annotation, Tag

MISSING = "file not found"
UNKNOWN_TYPE = "this type of image file is not read"
UNREADABLE = "it cannot be read"
NOTHING_LEFT = "none of its objects can be used"
OTHER_SIZE = "image of another size than the annotation says (height x width); training skips such images"
HEAD = 2**16  # bytes of a file that are read to recognize it


class Picture(NamedTuple):
    """An image file, and its height and width in pixels."""

    path: Path
    size_hw: tuple[int, int]


class Pictures:
    """The images of one data set, inside one folder."""

    def __init__(self, job: Job, root: Path):
        """Stores the folder.

        Args:
            job: where losses are reported.
            root: folder of the images where `job.images` names none; nothing outside the folder is read.
        """
        self.root = job.images or root
        self._job, self._folder = job, ImageFolder(self.root)

    def find(self, *names: Any, where: str, stated_hw: Any = None) -> Picture | None:
        """Finds an image by its name.

        Args:
            names: as in the annotation file; the first that exists is used, and what is no text is passed over.
            where: the annotation, for messages.
            stated_hw: as for `open`.

        Returns:
            None where there is none or it cannot be read, which is reported.
        """
        reason = f"{where} names no image"
        for name in names:
            if not _is_name(name):
                continue
            try:
                path = self.root / self._folder.find(name).name
            except UserError as error:
                reason = f"{where}: {error}"
                continue
            if listing.is_image(path):
                return self.open(path, stated_hw)
            self._job.report.lose_image(UNKNOWN_TYPE, f"{where}: {path.name}")
            return None
        self._job.report.lose_image(MISSING, reason)
        return None

    def open(self, path: Path, stated_hw: Any = None) -> Picture | None:
        """Finds height and width of an image.

        Args:
            path: of the image file.
            stated_hw: height and width in the annotation file; used where they are whole numbers above 0.

        Returns:
            None where the image cannot be read, which is reported.
        """
        found = image_file.header_sizes(path)
        stated = whole_size(stated_hw)
        if found is None:
            try:
                found = image_file.sizes(image_file.read_bytes(path), name=str(path))
            except UserError as error:
                self._job.report.lose_image(UNREADABLE, str(error))
                return None
        if stated and stated not in found:
            both = f"says {stated[0]}x{stated[1]}, has {found.upright_hw[0]}x{found.upright_hw[1]}"
            self._job.report.tally.add(OTHER_SIZE, f"{path.name} ({both})")
        return Picture(path, stated or found.upright_hw)

    def found(
        self,
        picture: Picture,
        ann_path: Path,
        *,
        objects: ObjectList,
        tags: tuple[Tag, ...] = (),
        split: str | None = None,
        extra: Mapping[str, Any] = MappingProxyType({}),
    ) -> Iterator[Found]:
        """Yields the image with its objects; if all were left out, reports the image and yields nothing."""
        labels, path = objects.labels, picture.path
        if objects.lost and not labels:
            self._job.report.lose_image(NOTHING_LEFT, path.name)
            return
        self._job.report.kept.update(label.class_title for label in labels)
        folder = relative_to(path, self.root).parent
        dataset = "_".join(folder.parts) or self.root.resolve().name
        dataset = dataset.lstrip(".").replace("\\", "_") or "images"
        split_tag = (Tag(split),) if split else ()
        annotation = Annotation(picture.size_hw, (*split_tag, *tags), labels, extra=dict(extra))
        yield Found(dataset, path.name, path, ann_path, annotation, split)


def relative_to(path: Path, root: Path) -> Path:
    """Computes a path relative to a folder; only the file's name if the path is outside it."""
    return path.relative_to(root) if path.is_relative_to(root) else Path(path.name)


def beside(folder: Path, name: Any) -> str:
    """Joins an annotation file's folder and a name in it; only the name if that leaves the root."""
    if not _is_name(name):
        return ""
    joined = posixpath.normpath(posixpath.join(folder.as_posix(), name.replace("\\", "/")))
    return name if joined.startswith("..") else joined


def walk(folder: Path, *suffixes: str) -> list[Path]:
    """Lists the files below a folder with one of these suffixes, sorted, without hidden ones.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        found = [path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file()]
    except OSError as error:
        raise UserError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def head_of(path: Path) -> bytes:
    """Reads the start of a regular file; empty where that fails."""
    try:
        with open(path if files.is_regular(path) else "/dev/null", "rb") as stream:
            return stream.read(HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError:
        return b""


def read_json(path: Path) -> Any:
    """Reads a JSON file of any size.

    Raises:
        UserError: the file cannot be read or is no JSON.
    """
    try:
        return json.loads(files.read_bytes(path, what="annotation file"))
    except UserError:
        raise
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error


def whole_size(size_hw: Any) -> tuple[int, int] | None:
    """Reads height and width; None where one is no whole number above 0, or they are those of no usable image."""
    try:
        height, width = (float(side) for side in size_hw)
    except (TypeError, ValueError, OverflowError):
        return None
    if not height * width <= masks.MOST_PIXELS or not (height > 0 and width > 0 and height % 1 == 0 and width % 1 == 0):
        return None
    return int(height), int(width)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name.strip()) and "\0" not in name
