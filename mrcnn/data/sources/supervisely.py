"""Opens a Supervisely project as a source; tags choose the images of each set."""

import os
from collections.abc import Sequence
from pathlib import Path

from mrcnn.data import split
from mrcnn.data.sources.source import AnnotatedImage, DataPaths, Sets, Settings, Source
from mrcnn.errors import UserError
from mrcnn.project.annotation import Annotation
from mrcnn.project.reader import Project, find_project

META = "meta.json"
HINT = "; python -m mrcnn check --all names each"


def fits(path: Path) -> bool:
    """Checks whether a path is a folder with a `meta.json`.

    The file may also be one folder below.
    """
    return path.is_dir() and any(META in names for _, _, names in os.walk(path))


def open_source(paths: DataPaths) -> Source:
    """Opens the project at a folder, or the only project inside it.

    Raises:
        UserError: further paths are given, or as `Project.open`.
    """
    project = Project.open(check_paths(paths))
    facts = {item.title: item.extra for item in project.meta.classes}
    return Source(
        project.name, project.meta, project.items, split_by_tags, project.warnings, hint=HINT, class_facts=facts
    )


def check_paths(paths: DataPaths) -> Path:
    """Finds the project at a folder, or the only project inside it, without reading it.

    Raises:
        UserError: further paths are given, or there is no or more than one project.
    """
    if paths.images or paths.val_data or paths.val_images:
        raise UserError(
            f"{paths.data} is a project, which holds its images, and tags choose those to validate on: leave out "
            "--images, --val-data and --val-images"
        )
    return find_project(paths.data)


def split_by_tags(items: Sequence[AnnotatedImage], annotations: Sequence[Annotation], settings: Settings) -> Sets:
    """Splits the images by their tags; see `mrcnn.data.split`.

    Raises:
        UserError: a set is empty.
    """
    chosen = split.split_items(annotations, train_tag=settings.train_tag, val_tag=settings.val_tag)
    both = (
        f"{chosen.both} images are tagged for both training and validation: "
        "what is measured on them says little about new images"
    )
    return Sets(
        chosen.train,
        chosen.val,
        names=(
            f"`dataset_tags.train`: the {len(chosen.train)} images with the tag {settings.train_tag!r}",
            f"`dataset_tags.val`: the {len(chosen.val)} images with the tag {settings.val_tag!r}",
        ),
        fix="annotate objects there or name another tag",
        rest=f", {chosen.neither} images with neither tag",
        warnings=(both,) if chosen.both else (),
    )
