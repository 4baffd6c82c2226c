"""What a run reads: the images of a Supervisely project, or of a plain folder as if it were one.

A folder's images are one data set, named `ds`; each of its subfolders that is looked into is a data set inside it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from mrcnn.errors import UserError, counted
from mrcnn.events import EventLog
from mrcnn.images.pixels import read_annotated
from mrcnn.predict import image_files
from mrcnn.predict.image_files import Paths
from mrcnn.project import listing
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta
from mrcnn.project.reader import Item, Project
from mrcnn.project.repeated import Repeats

DATASET = "ds"


@dataclass(frozen=True)
class Entry:
    """One image of a source.

    Attributes:
        dataset: the data set's name.
        name: the image's file name.
        path: where it is.
        item: the project's item; None in a plain folder.
    """

    dataset: str
    name: str
    path: Path
    item: Item | None = None

    @property
    def title(self) -> str:
        """What messages call the image: in a plain folder its path there."""
        full = f"{self.dataset}/{self.name}"
        return full if self.item else full.removeprefix(f"{DATASET}/")

    def read_annotation(self, meta: ProjectMeta) -> Annotation:
        """Reads the project's annotation; an image of a plain folder has an empty one.

        Raises:
            UserError: the file is malformed; names it.
        """
        return self.item.read_annotation(meta) if self.item else Annotation(None)


@dataclass(frozen=True)
class Picture:
    """One image of a run with what is known about it.

    Attributes:
        index: its place among the images of the run.
        image: `[H, W, channels]` uint8.
        annotation: the project's, or an empty one.
    """

    index: int
    image: np.ndarray
    annotation: Annotation


@dataclass(frozen=True)
class Source:
    """The images of a run.

    Attributes:
        name: what the output project is called.
        meta: the project's classes and tags.
        entries: at least one.
        warnings: what was left out and why, one line each.
    """

    name: str
    meta: ProjectMeta
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()


def open_project(directory: str | Path) -> Source:
    """Opens the project that is the directory, or the only one inside it; errors are `Project.open`'s."""
    project = Project.open(directory)
    entries = tuple(Entry(item.dataset, item.name, item.image_path, item) for item in project.items)
    return Source(project.name, project.meta, entries, project.warnings)


def open_images(places: Paths, *, recursive: bool = False) -> Source:
    """Opens image files, those of folders, or those that a pattern matches, sorted by folder and name.

    Args:
        places: as for `image_files.find`.
        recursive: the same.

    Raises:
        UserError: as `image_files.find`.
    """
    found = image_files.find(places, recursive=recursive)
    entries = tuple(Entry(_dataset(path, found.base), path.name, path) for path in found.paths)
    return Source(found.base.resolve().name or DATASET, ProjectMeta(), entries, found.warnings)


def _dataset(path: Path, base: Path) -> str:
    below = path.absolute().parent.relative_to(base.absolute())
    return "/".join((DATASET, *below.parts))


def with_tag(source: Source, tag: str) -> Source:
    """Keeps the images that carry a tag of that name; those whose annotation cannot be read stay, to be reported later.

    Raises:
        UserError: no image has it.
    """
    kept = tuple(entry for entry in source.entries if _may_have(entry, tag, source.meta))
    if not kept:
        declared = listing.few([item.name for item in source.meta.tags]) or "no tag"
        raise UserError(
            f"none of the {counted(len(source.entries), 'image')} has the tag {tag!r}; name another, "
            f"the project's meta.json has {declared}"
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
    """Yields the images with their annotations; one that cannot be used is reported and left out.

    Args:
        source: what to read.
        channels: of the images.
        log: told why an image is left out, and of annotations made for another image size.
        on_skip: called with the title of each image left out.
        exact: leave out, too, what was annotated in another size than the image has.
        image_range: as of `images.read_image`.
        most: likewise.
    """
    warnings, errors = Repeats(log), Repeats(log, level="error")
    for index, entry in enumerate(source.entries):
        try:
            annotation = entry.read_annotation(source.meta)
            image = read_annotated(entry.path, channels, size_hw=annotation.size_hw, image_range=image_range, most=most)
            size_hw = image.shape[0], image.shape[1]
            if annotation.size_hw not in (None, size_hw):
                text = f"its annotation is for {annotation.size_hw} pixels (height, width) but the image has {size_hw}"
                if exact:
                    raise UserError(f"{text}; annotate it anew or correct `size`")
                warnings.add(f"{entry.title}: {text}; the objects already there may not fit", entry.title)
        except Exception as error:
            errors.add(f"{entry.title} is skipped: {why(error)}", entry.title)
            on_skip(entry.title)
        else:
            yield Picture(index, image, replace(annotation, size_hw=size_hw))
    warnings.close()
    errors.close()


def why(error: Exception) -> str:
    """Says why an image is left out: a user's mistake in its own words, any other error with its kind."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def take(pictures: Iterator[Picture], count: int) -> list[Picture]:
    """Takes the next pictures: `count`, or fewer at the end; empty means that there are no more."""
    return list(islice(pictures, count))


def _may_have(entry: Entry, tag: str, meta: ProjectMeta) -> bool:
    try:
        return entry.read_annotation(meta).has_tag(tag)
    except UserError:
        return True
