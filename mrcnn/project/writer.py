"""Writes a Supervisely project, completely or not at all."""

import json
import os
import shutil
import warnings
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from mrcnn import files, locks
from mrcnn.errors import UserError
from mrcnn.project import listing
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta, TagMeta
from mrcnn.project.reader import NESTED


class ProjectWriter:
    """Writes a project into `<directory>.partial` and renames it at the end.

    Used tags that the meta lacks are added to it at the end, because the platform refuses a project with undeclared
    tags. As a context manager it finishes after the last statement, and removes the partial folder after an exception.
    `meta` may be replaced until `finish`.
    """

    def __init__(self, directory: str | os.PathLike[str], meta: ProjectMeta):
        """Starts a project and locks its folder until the end.

        A partial folder left by a killed run is removed.

        Args:
            directory: the project's folder; must not exist or be empty.
            meta: its classes and tags.

        Raises:
            UserError: `directory` exists and is not an empty folder, cannot be created, or another run writes to it.
        """
        self.directory = Path(directory)
        self.meta = meta
        files.check_free(self.directory)
        self._target = self.directory.resolve()  # the folder itself where `directory` is a symbolic link
        self._partial = self._target.with_name(f"{self._target.name}.partial")
        self._tags: dict[str, TagMeta] = {}
        with ExitStack() as stack:
            stack.enter_context(locks.beside(self.directory, warn=warnings.warn))
            shutil.rmtree(self._partial, ignore_errors=True)
            with files.writing("the project", self._partial):
                self._partial.mkdir(parents=True)
            self._lock = stack.pop_all()

    def add(self, dataset: str, name: str, image: str | os.PathLike[str] | bytes, *, annotation: Annotation) -> None:
        """Adds an image and its annotation.

        Args:
            dataset: name of the data set; `parent/child` for a nested one.
            name: the image's file name.
            image: path of a file, which is hard-linked where possible and else copied; or the encoded bytes.
            annotation: of the image.

        Raises:
            UserError: a name is no plain file name or too long, the data set has that image already, or it cannot be
                written.
        """
        folder = self._partial / f"/{NESTED}/".join(map(_checked, dataset.split("/")))
        if listing.is_overlong(_checked(name)):
            raise UserError(
                f"the name of image {name} is too long: its annotation file needs five bytes more; rename it"
            )
        image_path, annotation_path = folder / "img" / name, folder / "ann" / f"{name}.json"
        if image_path.exists():
            raise UserError(f"image {name} is already in data set {dataset} of {self.directory}")
        text = json.dumps(annotation.to_json())  # first: an annotation that fails here must leave no image behind
        with files.writing("the image", image_path):
            for part in (image_path, annotation_path):
                part.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(image, bytes):
                image_path.write_bytes(image)
            else:
                files.link_or_copy(image, image_path)
            annotation_path.write_text(text, encoding="utf-8")
        for tag in annotation.all_tags():
            if tag.name not in self._tags or self._tags[tag.name].value_type == "none":
                self._tags[tag.name] = TagMeta(tag.name, _value_type(tag.value))

    def finish(self) -> Path:
        """Writes `meta.json`, flushes all files to the disk and gives the folder its name.

        Returns:
            The project's folder.
        """
        undeclared = tuple(tag for name, tag in self._tags.items() if self.meta.find_tag(name) is None)
        meta = replace(self.meta, tags=(*self.meta.tags, *undeclared))
        with files.writing("the project", self.directory):
            (self._partial / "meta.json").write_text(json.dumps(meta.to_json(), indent=4), encoding="utf-8")
            files.publish_folder(self._partial, self._target)
        self.close()
        return self.directory

    def discard(self) -> None:
        """Removes the partial folder and releases the lock."""
        shutil.rmtree(self._partial, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Releases the lock; the files written so far stay in the partial folder."""
        self._lock.close()

    def __enter__(self) -> "ProjectWriter":
        """Enters the context; the project was started by the constructor."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finishes the project, or discards it after an exception."""
        if kind is not None:
            self.discard()
            return
        try:
            self.finish()
        except BaseException:
            self.discard()
            raise


def _checked(name: str) -> str:
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name or not _is_encodable(name):
        raise UserError(f"{name!r} cannot be the name of a data set or image file")
    return name


def _is_encodable(name: str) -> bool:
    try:
        return bool(os.fsencode(name))
    except UnicodeEncodeError:
        return False


def _value_type(value: Any) -> str:
    if value is None:
        return "none"
    return "any_number" if isinstance(value, int | float) and not isinstance(value, bool) else "any_string"
