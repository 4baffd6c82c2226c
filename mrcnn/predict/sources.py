"""Reads the input of a run: annotated images of any format, or a folder.

The images of a plain folder form a data set named `ds`; the images of each searched subfolder form a nested data set.
"""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mrcnn.data.ahead import mapped
from mrcnn.data.sources import source as data_source
from mrcnn.data.sources import table
from mrcnn.data.sources.source import AnnotatedImage, DataPaths, ImageList
from mrcnn.errors import OutOfMemory, UserError, counted
from mrcnn.events import EventLog
from mrcnn.images.pixels import read_annotated
from mrcnn.predict import image_files
from mrcnn.predict.image_files import Paths
from mrcnn.project import listing
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta
from mrcnn.project.repeated import Repeats

DATASET = "ds"
MOST_READERS = 8  # threads that read images

Report = Callable[[], None]  # writes a warning or error about an image to the log, when its turn comes


@dataclass(frozen=True)
class Entry:
    """One image of a source.

    Attributes:
        dataset: name of the data set.
        name: file name of the image.
        path: path of the image file.
        item: the image with its annotation; None in a plain folder.
    """

    dataset: str
    name: str
    path: Path
    item: AnnotatedImage | None = None

    @property
    def title(self) -> str:
        """The image's name in messages; for a plain folder, its path inside the folder."""
        full = f"{self.dataset}/{self.name}"
        return full if self.item else full.removeprefix(f"{DATASET}/")

    def read_annotation(self, meta: ProjectMeta) -> Annotation:
        """Reads the image's annotation; it is empty for an image of a plain folder.

        Raises:
            UserError: the annotation file is malformed; the message names the file.
        """
        return self.item.read_annotation(meta) if self.item else Annotation(None)


@dataclass(frozen=True)
class Picture:
    """One decoded image of a run with its annotation.

    Attributes:
        index: index of the image in `Source.entries`.
        image: `[H, W, channels]` uint8.
        annotation: the project's annotation; empty for an image of a plain folder.
    """

    index: int
    image: np.ndarray
    annotation: Annotation


@dataclass(frozen=True)
class Reading:
    """How images are read.

    Attributes:
        channels: as for `read_pictures`.
        exact: as for `read_pictures`.
        image_range: as for `read_pictures`.
        most: as for `read_pictures`.
    """

    channels: int
    exact: bool = False
    image_range: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class Source:
    """The images of a run.

    Attributes:
        name: name of the output project.
        meta: the project's classes and tags.
        entries: the images; at least one.
        warnings: what was left out and why, one line each.
        kind: of the data, in messages.
        class_facts: as in `data.sources.source.Source`.
    """

    name: str
    meta: ProjectMeta
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()
    kind: str = data_source.PROJECT
    class_facts: data_source.ClassFacts = field(default_factory=dict)


def open_project(directory: str | Path) -> Source:
    """Opens the project at a directory, or the only project inside it.

    Raises:
        UserError: as `Project.open`.
    """
    return _annotated(table.FORMATS[table.PROJECT].open(DataPaths(Path(directory))))


def open_annotated(paths: DataPaths, fields: Sequence[str] | None = None) -> Source:
    """Opens data of any format with its annotations.

    Args:
        paths: as for `table.open_source`.
        fields: as for `table.open_source`.

    Raises:
        UserError: as `table.open_source`.
    """
    return _annotated(table.open_source(paths, fields))


def open_data(paths: DataPaths) -> Source:
    """Opens data of any format for inference.

    The data has annotations; in a format with `list_images` it is only a list of images.

    Raises:
        UserError: as `table.open_source`.
    """
    found = table.find(paths.data)
    return _listed(found.list_images(paths)) if found.list_images else _annotated(found.open(paths))


def open_images(places: Paths, *, recursive: bool = False) -> Source:
    """Opens image files, folders or glob patterns; images are sorted by folder and name.

    Args:
        places: as for `image_files.find`.
        recursive: as for `image_files.find`.

    Raises:
        UserError: as `image_files.find`.
    """
    found = image_files.find(places, recursive=recursive)
    return _listed(ImageList(found.base, found.paths, found.warnings))


def _annotated(opened: data_source.Source) -> Source:
    entries = tuple(Entry(item.dataset, item.name, item.image_path, item) for item in opened.items)
    return Source(opened.name, opened.meta, entries, opened.warnings, opened.kind, opened.class_facts)


def _listed(found: ImageList) -> Source:
    entries = tuple(Entry(_dataset(path, found.base), path.name, path) for path in found.paths)
    return Source(found.base.resolve().name or DATASET, ProjectMeta(), entries, found.warnings)


def _dataset(path: Path, base: Path) -> str:
    below = path.absolute().parent.relative_to(base.absolute())
    return "/".join((DATASET, *below.parts))


def with_tag(source: Source, tag: str) -> Source:
    """Filters a source by an image tag.

    Images with an unreadable annotation are kept, so that reading them later reports the error.

    Raises:
        UserError: no image has the tag.
    """
    kept = tuple(entry for entry in source.entries if _may_have(entry, tag, source.meta))
    if not kept:
        declared = listing.few([item.name for item in source.meta.tags]) or "no tag"
        place = "the project's meta.json" if source.kind == data_source.PROJECT else f"the {source.kind}"
        raise UserError(
            f"none of the {counted(len(source.entries), 'image')} has the tag {tag!r}; name another, {place} has "
            f"{declared}"
        )
    return replace(source, entries=kept)


def read_pictures(
    source: Source,
    *,
    channels: int,
    log: EventLog,
    on_skip: Callable[[str], None],
    exact: bool = False,
    image_range: int | None = None,
    most: int | None = None,
) -> Iterator[Picture]:
    """Yields the images with their annotations; reports and skips unusable ones.

    Args:
        source: the images to read.
        channels: channel count of the arrays.
        log: receives why an image is skipped, and a warning for an annotation of another image size.
        on_skip: called with the title of each skipped image.
        exact: also skip an image whose annotation is for another size than the image has.
        image_range: as for `images.pixels.read_annotated`.
        most: as for `images.pixels.read_annotated`.
    """
    reading = Reading(channels, exact=exact, image_range=image_range, most=most)
    for item in read_ahead(source, reading, log=log, on_skip=on_skip):
        if isinstance(item, Picture):
            yield item
        else:
            item()


def read_ahead(
    source: Source, reading: Reading, *, log: EventLog, on_skip: Callable[[str], None], ahead: int = 1
) -> Generator[Picture | Report, None, None]:
    """Reads the images in threads and yields them in order.

    Functions that report unreadable images are yielded among them.

    Args:
        source: as for `read_pictures`.
        reading: how the images are read.
        log: as for `read_pictures`.
        on_skip: as for `read_pictures`.
        ahead: most images that are read before they are needed.

    Yields:
        The images as `read_pictures` does, and between them functions that write to `log` and call `on_skip`; the
        caller calls each once, in order.
    """
    warnings, errors = Repeats(log), Repeats(log, level="error")

    def report(title: str, loaded: _Loaded) -> None:
        if loaded.warning:
            warnings.add(loaded.warning, title)
        if loaded.error:
            errors.add(f"{title} is skipped: {why(loaded.error)}", title)
            on_skip(title)

    load = partial(_load, meta=source.meta, reading=reading)
    threads = min(ahead, MOST_READERS, os.cpu_count() or 1)
    with closing(mapped(load, enumerate(source.entries), ahead=ahead, threads=threads)) as images:
        for entry, loaded in zip(source.entries, images, strict=True):
            if loaded.warning or loaded.error:
                yield partial(report, entry.title, loaded)
            if loaded.picture:
                yield loaded.picture
    yield warnings.close
    yield errors.close


class _Loaded(NamedTuple):
    picture: Picture | None = None
    warning: str | None = None
    error: Exception | None = None


def _load(numbered: tuple[int, Entry], *, meta: ProjectMeta, reading: Reading) -> _Loaded:
    index, entry = numbered
    try:
        return _read(index, entry, meta=meta, reading=reading)
    except Exception as error:
        return _Loaded(error=error)


def _read(index: int, entry: Entry, *, meta: ProjectMeta, reading: Reading) -> _Loaded:
    annotation = entry.read_annotation(meta)
    image = read_annotated(
        entry.path,
        reading.channels,
        size_hw=annotation.size_hw,
        image_range=reading.image_range,
        most=reading.most,
    )
    size_hw = image.shape[0], image.shape[1]
    warning = None
    if annotation.size_hw not in (None, size_hw):
        text = f"its annotation is for {annotation.size_hw} pixels (height, width) but the image has {size_hw}"
        if reading.exact:
            raise UserError(f"{text}; annotate it anew or correct `size`")
        warning = f"{entry.title}: {text}; the objects already there may not fit"
    return _Loaded(Picture(index, image, replace(annotation, size_hw=size_hw)), warning)


def why(error: Exception) -> str:
    """Formats why an image is skipped; an error other than `UserError` with its type."""
    return str(error) if isinstance(error, UserError | OutOfMemory) else f"{type(error).__name__}: {error}"


def _may_have(entry: Entry, tag: str, meta: ProjectMeta) -> bool:
    try:
        return entry.read_annotation(meta).has_tag(tag)
    except UserError:
        return True
