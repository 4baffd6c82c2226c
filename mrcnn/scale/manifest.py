"""Lists the images of a job: folders, patterns, image files, text and Parquet lists, and COCO JSON.

All but COCO JSON may be URLs of object storage. The list is sorted, and each image is in it once.
"""

import glob
import hashlib
import io
import json
import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mrcnn.data.coco import file as coco_file
from mrcnn.errors import UserError, counted
from mrcnn.predict import image_files
from mrcnn.project import listing
from mrcnn.scale import storage

TEXT, PARQUET = (".txt", ".lst"), (".parquet", ".pq")  # endings of lists
COLUMNS = ("image", "path", "url", "uri", "file_name")  # of a Parquet list; the first that is there
COLUMN = COLUMNS[0]


@dataclass(frozen=True)
class Manifest:
    """The images of a job.

    Attributes:
        images: absolute paths and URLs, sorted, each once; at least one.
        warnings: what was left out, one line each.
    """

    images: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        """The deepest folder that holds all images, with `/` at its end; empty where there is none."""
        return posixpath.commonprefix([self.images[0], self.images[-1]]).rpartition("/")[0] + "/"

    def checksum(self) -> str:
        """Computes the SHA-256 of the images' names in their order."""
        digest = hashlib.sha256()
        for image in self.images:
            digest.update(image.encode(errors="surrogateescape") + b"\0")
        return digest.hexdigest()


def find(places: Sequence[str | os.PathLike[str]], *, recursive: bool = False) -> Manifest:
    """Lists the images of places.

    Args:
        places: at least one of: a folder; an image file; a pattern with `*`, `?` or `[`; a text file with an image a
            line; a Parquet file with a column of `COLUMNS`; or a URL of any of these. Images in a list are not
            checked to exist, and relative paths are relative to the folder of the list.
        recursive: search subfolders too.

    Raises:
        UserError: a place does not exist, cannot be read or names no image.
    """
    images: list[str] = []
    warnings: list[str] = []
    local = []
    for place in places:
        text = storage.normalized(place)
        if text.endswith(TEXT + PARQUET) and not glob.has_magic(text):
            images += _listed(text)
        elif storage.is_url(text):
            images += _on_storage(text, recursive=recursive)
        else:
            local.append(place)
    if local:
        found = image_files.find(local, recursive=recursive)
        images += (_beside(Path.cwd().as_posix(), path.as_posix()) for path in found.paths)
        warnings += found.warnings
    return _sorted(images, warnings)


def find_in_coco(annotations: Path, images: str | os.PathLike[str]) -> Manifest:
    """Lists the images of a COCO file.

    Args:
        annotations: the file, which needs no annotations.
        images: the folder that its `file_name`s are inside; if it is a URL, they are not checked to exist.

    Raises:
        UserError: the file is malformed, or none of its images can be used.
    """
    folder = storage.normalized(images)
    if not storage.is_url(folder):
        names, warnings = coco_file.list_images(annotations, Path(folder))
        return _sorted((storage.joined(folder, name) for name in names), warnings)
    try:
        listed = json.loads(storage.read_bytes(storage.normalized(annotations), what="annotation file"))["images"]
        names = tuple(str(item["file_name"]) for item in listed)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{annotations} is no COCO file: it needs a list `images`, each with `file_name`") from error
    return _sorted((storage.joined(folder, name) for name in names), ())


def write(manifest: Manifest, *, shard_size: int) -> bytes:
    """Writes the images as a Parquet file with a row group for each shard."""
    table = pa.table({COLUMN: pa.array(manifest.images, pa.string())})
    target = io.BytesIO()
    pq.write_table(table, target, row_group_size=shard_size, compression="zstd")
    return target.getvalue()


def read_shard(place: str, shard: int) -> list[str]:
    """Reads the images of one shard from the file that `write` made, and no other part of it.

    Raises:
        UserError: the file cannot be read.
    """
    with storage.reading(place, what="list of images") as stream:
        images: list[str] = pq.ParquetFile(stream).read_row_group(shard)[COLUMN].to_pylist()
    return images


def _sorted(images: Iterable[str], warnings: Iterable[str]) -> Manifest:
    listed = list(images)
    once = sorted(set(listed))
    if not once:
        raise UserError("the list of images is empty; give one with at least one image")
    lines = list(warnings)
    if named := [image for image in once if not _is_text(image)]:
        first = named[0].encode(errors="backslashreplace").decode()
        lines.append(f"{counted(len(named), 'image')} left out, with names that are not UTF-8; rename {first}")
        listed, once = [image for image in listed if _is_text(image)], [image for image in once if _is_text(image)]
        if not once:
            raise UserError(lines[-1])
    if len(listed) > len(once):
        lines.append(f"{counted(len(listed) - len(once), 'image')} listed more than once, each is used once")
    return Manifest(tuple(once), tuple(lines))


def _listed(place: str) -> Iterator[str]:
    """Yields the images of a text or Parquet file."""
    data = storage.read_bytes(place, what="list of images")
    if place.endswith(TEXT):
        try:
            lines = data.decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise UserError(
                f"the list of images {place} must be UTF-8 text: {error.reason}; save it as UTF-8"
            ) from error
    else:
        lines = _column(data, place)
    folder = place.rpartition("/")[0]
    for line in filter(None, map(str.strip, lines)):
        yield storage.normalized(line) if storage.is_url(line) else _beside(folder, line)


def _beside(folder: str, path: str) -> str:
    """Appends a path to a folder unless it is absolute; no `..` is left of one that leaves the folder.

    A place with `..` would be no file of object storage, and no name of a data set.
    """
    if posixpath.isabs(path) or Path(path).is_absolute():  # the second for drives of Windows
        return storage.normalized(path)
    path = posixpath.normpath(path)
    if not path.startswith("../"):
        return storage.normalized(storage.joined(folder, path))
    if storage.is_url(folder):
        protocol, _, inside = folder.partition(storage.SEPARATOR)
        return f"{protocol}{storage.SEPARATOR}{posixpath.normpath(f'{inside}/{path}')}"
    return posixpath.normpath(f"{Path(folder).resolve().as_posix()}/{path}")


def _is_text(image: str) -> bool:
    """Checks that a name has no bytes that are not UTF-8, which Python keeps as surrogates and Parquet cannot."""
    try:
        image.encode()
    except UnicodeEncodeError:
        return False
    return True


def _column(data: bytes, place: str) -> list[str]:
    try:
        parquet = pq.ParquetFile(io.BytesIO(data))
        name = next((name for name in COLUMNS if name in parquet.schema_arrow.names), None)
        if name is None:
            there = listing.few(parquet.schema_arrow.names)
            raise UserError(f"the list {place} needs a column {COLUMN} with the images, it has {there}; rename one")
        column = parquet.read([name])[name]
        if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
            raise UserError(f"the column {name} of {place} must hold text, got {column.type}")
        return [value for value in column.to_pylist() if value]
    except pa.ArrowException as error:
        raise UserError(f"cannot read the list of images {place}: {error}") from error


def _on_storage(url: str, *, recursive: bool) -> list[str]:
    system, path = storage.opened(url)
    try:
        if glob.has_magic(url):
            found = system.glob(path)
        elif system.isfile(path):
            found = [path]
        else:
            found = system.find(path, maxdepth=None if recursive else 1)
    except Exception as error:  # each file system has its own
        raise UserError(f"cannot list the images of {url}: {error}") from error
    images = [system.unstrip_protocol(name) for name in found if listing.is_image(Path(name))]
    if not images:
        raise UserError(f"{url} has no image; these kinds are read: {' '.join(sorted(listing.IMAGE_EXTENSIONS))}")
    return images
