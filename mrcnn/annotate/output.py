"""Writes the output project of a run, so that an interrupted run can be resumed.

The project has its final name only when it is complete.

<output>/<name>                the finished project
<output>/<name>.partial        an unfinished project, without `meta.json`
<output>/<name>.journal        JSON lines: the identity of the unfinished run, then for each written image its key, its
                               record, and a checksum of its input annotation
<output>/<name>.interrupted    the project of an interrupted run while the resuming run copies its images
"""

import filecmp
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from mrcnn import files, locks
from mrcnn.errors import UserError
from mrcnn.predict.sources import Entry
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta
from mrcnn.project.reader import NESTED, read_json
from mrcnn.project.writer import ProjectWriter

Record = Mapping[str, Any]


def is_finished(directory: Path) -> bool:
    """Checks whether a project is complete; if so, removes its leftover journal and locks.

    They are left behind when a run is killed just after it finished the project.
    """
    finished = (directory / "meta.json").is_file()
    if finished:
        _beside(directory, "journal").unlink(missing_ok=True)
        locks.remove_left(directory)
    return finished


def count(directory: Path, entries: Iterable[Entry]) -> int:
    """Counts how many of the images are in a project."""
    return sum(os.path.lexists(_image_path(directory, entry)) for entry in entries)


def check(directory: Path, *, resume: bool) -> None:
    """Checks whether a run can write a project to a directory.

    Args:
        directory: the project's folder.
        resume: an interrupted run may be continued.

    Raises:
        UserError: the directory is not free or cannot be written, an interrupted run is there and `resume` is false,
            or its journal is broken.
    """
    files.check_free(directory, fix="there is nothing to resume" if resume else "name another")
    journal = _beside(directory, "journal")
    identity, records = _read_journal(journal)
    places = [_beside(directory, suffix) for suffix in ("partial", "interrupted")]
    unfinished = [place for place in places if any(place.rglob("img/*"))]
    if identity is None and unfinished and os.path.lexists(journal):
        raise UserError(
            f"{unfinished[0]} holds images of an interrupted run, but its journal {journal} is broken, so it cannot be "
            "continued; remove the journal to start anew"
        )
    if records and not resume:
        raise UserError(
            f"{_beside(directory, 'partial')} holds {len(records)} images of an interrupted run; continue it with "
            f"--resume, or remove {journal} to start anew"
        )


class Output:
    """Writes images to a project that gets its final name when all images are written.

    Use it as a context manager: leaving the block finishes the project. After an exception, or when the process ends,
    the written images are kept, so that a later run can resume; without any written image all files are removed.

    Attributes:
        done: the record of each image in the project, by the image's key (`key`).
        partial: folder of the unfinished project.
    """

    def __init__(
        self,
        directory: Path,
        meta: ProjectMeta,
        entries: Sequence[Entry],
        *,
        identity: Mapping[str, Any],
        resume: bool = False,
    ):
        """Starts a project, or continues one with the images that an interrupted run wrote.

        Args:
            directory: the project's folder.
            meta: classes and tags of the project.
            entries: the images of the run.
            identity: JSON values that must be equal in the interrupted run and this one.
            resume: continue an interrupted run if there is one.

        Raises:
            UserError: as `check`; or the identity of the interrupted run differs.
        """
        check(directory, resume=resume)
        self.done: dict[str, Record] = {}
        self.partial = _beside(directory, "partial")
        self._journal_path, self._kept = _beside(directory, "journal"), _beside(directory, "interrupted")
        before, records = _read_journal(self._journal_path)
        identity = json.loads(json.dumps(identity))
        if records and before != identity:
            raise UserError(
                f"the interrupted run in {self.partial} had other settings ({_changed(before, identity)}); give the "
                f"same again, or remove {self._journal_path} to start anew"
            )
        with files.writing("the project", self.partial):
            if records and not self._kept.exists() and self.partial.exists():
                os.replace(self.partial, self._kept)
            self._writer = ProjectWriter(directory, meta)
            with ExitStack() as on_error:
                on_error.callback(self._writer.close)
                self._begin(entries, records, identity)
                on_error.pop_all()

    def _begin(
        self, entries: Sequence[Entry], records: Mapping[str, tuple[Record, int]], identity: Mapping[str, Any]
    ) -> None:
        """Copies the interrupted run's images, writes a new journal, then removes the old project."""
        self._take_over(entries, records)
        kept = [_line(entry, self.done[key(entry)]) for entry in entries if key(entry) in self.done]
        files.flush_tree(self.partial)  # before the interrupted run's project is removed
        with files.replaced(self._journal_path) as unfinished:
            unfinished.write_text("".join([f"{json.dumps(identity)}\n", *kept]), encoding="utf-8")
        self._drop_kept()

    def add(self, entry: Entry, annotation: Annotation, record: Record) -> None:
        """Adds an image with its annotation.

        Args:
            entry: the image.
            annotation: the annotation to write.
            record: JSON values that a resuming run needs about the image; kept in `done` and in the journal.

        Raises:
            UserError: as `ProjectWriter.add`.
        """
        self._writer.add(entry.dataset, entry.name, entry.path, annotation=annotation)
        self.done[key(entry)] = record
        # not flushed to the disk: after a power loss, a resuming run repeats images whose line or files are lost
        with files.writing("the journal", self._journal_path):
            with self._journal_path.open("a", encoding="utf-8") as journal:
                journal.write(_line(entry, record))

    def __enter__(self) -> "Output":
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finishes the project; after an exception keeps it if it has an image."""
        if kind is None:
            with ExitStack() as stack:
                stack.callback(self._writer.close)
                self._writer.finish()
        elif not self.done:
            self._writer.discard()
        else:
            self._writer.close()
            return
        self._journal_path.unlink(missing_ok=True)

    def _take_over(self, entries: Sequence[Entry], records: Mapping[str, tuple[Record, int]]) -> None:
        """Adds the interrupted run's images again, which is cheap compared with prediction."""
        for entry in entries:
            record, checksum = records.get(key(entry), ({}, None))
            annotation = self._kept_annotation(entry) if checksum == _checksum(entry) else None
            if annotation is not None:
                self._writer.add(entry.dataset, entry.name, entry.path, annotation=annotation)
                self.done[key(entry)] = record

    def _drop_kept(self) -> None:
        """Removes the interrupted run's project after its images were copied.

        It is renamed first: a half removed folder under the old name would look like an interrupted run's project.
        """
        old = self._kept.with_name(f"{self._kept.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if self._kept.exists():
            os.replace(self._kept, old)
            shutil.rmtree(old, ignore_errors=True)

    def _kept_annotation(self, entry: Entry) -> Annotation | None:
        image = _image_path(self._kept, entry)
        if not os.access(entry.path, os.R_OK):  # an error, as skipping the image would lose the interrupted run's work
            raise UserError(f"the interrupted run used {entry.path}, which cannot be read now; make it readable again")
        try:
            if not (os.path.samefile(image, entry.path) or filecmp.cmp(image, entry.path, shallow=False)):
                return None  # another image under the same name
            return Annotation.from_json(read_json(image.parents[1] / "ann" / f"{entry.name}.json"), self._writer.meta)
        except (OSError, UserError):
            return None


def key(entry: Entry) -> str:
    """Builds the key of an image in the journal."""
    return f"{entry.dataset}/{entry.name}"


def _image_path(project: Path, entry: Entry) -> Path:
    return project / f"/{NESTED}/".join(entry.dataset.split("/")) / "img" / entry.name


def _beside(directory: Path, suffix: str) -> Path:
    target = directory.resolve()
    return target.with_name(f"{target.name}.{suffix}")


def _line(entry: Entry, record: Record) -> str:
    return f"{json.dumps([key(entry), record, _checksum(entry)])}\n"


def _checksum(entry: Entry) -> int:
    """Computes a CRC-32 of an image's annotation file; 0 without a readable file."""
    try:
        return 0 if entry.item is None else zlib.crc32(files.read_bytes(entry.item.ann_path))
    except UserError:
        return 0


def _read_journal(path: Path) -> tuple[Any, dict[str, tuple[Record, int]]]:
    """Reads the identity and the records of a journal, up to the first broken line.

    A killed run may leave an incomplete line.

    Returns:
        identity: None for a missing or broken journal.
        records: the record and the annotation's checksum by the image's key.
    """
    try:
        lines = files.read_bytes(path).decode(errors="replace").split("\n")[:-1]
        identity = json.loads(lines[0])
    except (ValueError, IndexError):
        return None, {}
    records = {}
    for line in lines[1:]:
        try:
            name, record, checksum = json.loads(line)
        except (ValueError, TypeError):
            break
        records[name] = record, checksum
    return identity, records


def _changed(before: Any, now: Any, path: str = "") -> str:
    """Describes the first difference between two JSON values."""
    if isinstance(before, dict) and isinstance(now, dict):
        name = next((name for name in (*now, *before) if before.get(name) != now.get(name)), None)
        if name is not None:
            return _changed(before.get(name), now.get(name), f"{path}.{name}" if path else name)
    return f"`{path}` was {json.dumps(before):.80}, is {json.dumps(now):.80}"
