"""The project that a run writes: complete under its name, or unfinished under another, from where a run can go on.

<output>/<name>                the finished project
<output>/<name>.partial        an unfinished one, without `meta.json`
<output>/<name>.journal        what the unfinished run is, then a JSON line for each image written: its key, what was
                               recorded of it, a checksum of the annotation it had
<output>/<name>.interrupted    an unfinished one while another run takes over what it holds
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
    """Tests whether a project is complete under its name; if so, removes what a kill just after left beside it."""
    finished = (directory / "meta.json").is_file()
    if finished:
        _beside(directory, "journal").unlink(missing_ok=True)
        locks.remove_left(directory)
    return finished


def count(directory: Path, entries: Iterable[Entry]) -> int:
    """Counts those of the images that are in a project."""
    return sum(os.path.lexists(_image_path(directory, entry)) for entry in entries)


def check(directory: Path, *, resume: bool) -> None:
    """Looks whether a run can write there.

    Raises:
        UserError: it holds something, or an unfinished run that is not to be continued, or it cannot be written.
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
    """Writes images to a project that appears under its name when all is done.

    As a context manager it finishes after the last statement. After an exception, as after the end of the process,
    what was written is kept to be continued; without a single image nothing is left behind.

    Attributes:
        done: by the image's key (`key`), what was recorded of each image that is in the project.
        partial: where the unfinished project is.
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
        """Starts a project, or takes over what an interrupted run wrote of these images.

        Args:
            directory: the project's folder.
            meta: its classes and tags.
            entries: the images of the run.
            identity: what must be the same in both runs, ready for JSON.
            resume: continue an interrupted run, where there is one.

        Raises:
            UserError: as `check`; or the interrupted run was another.
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
        """Takes over the interrupted run, and writes a journal of what was taken over before the rest goes."""
        self._take_over(entries, records)
        kept = [_line(entry, self.done[key(entry)]) for entry in entries if key(entry) in self.done]
        unfinished = self._journal_path.with_name(f"{self._journal_path.name}.partial")
        unfinished.write_text("".join([f"{json.dumps(identity)}\n", *kept]), encoding="utf-8")
        files.flush(unfinished)
        files.flush_tree(self.partial)  # before what the interrupted run wrote goes
        os.replace(unfinished, self._journal_path)
        self._drop_kept()

    def add(self, entry: Entry, annotation: Annotation, record: Record) -> None:
        """Adds an image with its annotation, and what another run should know of it, ready for JSON.

        Raises:
            UserError: as `ProjectWriter.add`.
        """
        self._writer.add(entry.dataset, entry.name, entry.path, annotation)
        self.done[key(entry)] = record
        # not forced onto the disk: an image whose line, or whose own files, a loss of power takes is done again
        with files.writing("the journal", self._journal_path):
            with self._journal_path.open("a", encoding="utf-8") as journal:
                journal.write(_line(entry, record))

    def __enter__(self) -> "Output":
        """Gives itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finishes, or keeps what there is."""
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
        """Adds the images of the interrupted run anew, which costs little beside finding their objects."""
        for entry in entries:
            record, checksum = records.get(key(entry), ({}, None))
            annotation = self._kept_annotation(entry) if checksum == _checksum(entry) else None
            if annotation is not None:
                self._writer.add(entry.dataset, entry.name, entry.path, annotation)
                self.done[key(entry)] = record

    def _drop_kept(self) -> None:
        """Removes what was taken over; under another name, since after an end in between the rest would look whole."""
        old = self._kept.with_name(f"{self._kept.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if self._kept.exists():
            os.replace(self._kept, old)
            shutil.rmtree(old, ignore_errors=True)

    def _kept_annotation(self, entry: Entry) -> Annotation | None:
        image = _image_path(self._kept, entry)
        if not os.access(entry.path, os.R_OK):  # else all that the interrupted run did with it would be thrown away
            raise UserError(f"the interrupted run used {entry.path}, which cannot be read now; make it readable again")
        try:
            if not (os.path.samefile(image, entry.path) or filecmp.cmp(image, entry.path, shallow=False)):
                return None  # another image under the same name
            return Annotation.from_json(read_json(image.parents[1] / "ann" / f"{entry.name}.json"), self._writer.meta)
        except (OSError, UserError):
            return None


def key(entry: Entry) -> str:
    """Gives what the journal calls an image."""
    return f"{entry.dataset}/{entry.name}"


def _image_path(project: Path, entry: Entry) -> Path:
    return project / f"/{NESTED}/".join(entry.dataset.split("/")) / "img" / entry.name


def _beside(directory: Path, suffix: str) -> Path:
    target = directory.resolve()
    return target.with_name(f"{target.name}.{suffix}")


def _line(entry: Entry, record: Record) -> str:
    return f"{json.dumps([key(entry), record, _checksum(entry)])}\n"


def _checksum(entry: Entry) -> int:
    """Gives what tells one content of an image's own annotation file from another; 0 where there is none."""
    try:
        return 0 if entry.item is None else zlib.crc32(files.read_bytes(entry.item.ann_path))
    except UserError:
        return 0


def _read_journal(path: Path) -> tuple[Any, dict[str, tuple[Record, int]]]:
    """Gives the identity and the records up to the first broken line: a run may end in the middle of one."""
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
    """Names the first value in which two JSON values differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        name = next((name for name in (*now, *before) if before.get(name) != now.get(name)), None)
        if name is not None:
            return _changed(before.get(name), now.get(name), f"{path}.{name}" if path else name)
    return f"`{path}` was {json.dumps(before):.80}, is {json.dumps(now):.80}"
