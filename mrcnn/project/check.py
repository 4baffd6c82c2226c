"""Checks a project: says what is there, by class and split, and every problem with its file and object.

    python -m mrcnn.project.check DIR [--train-tag train] [--val-tag val]

An error is what a run refuses or skips; a warning is what it reads, but perhaps not as it was meant. Every image is
decoded and every object drawn. The exit code is 1 when there is an error.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mrcnn import events
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.project import image_file
from mrcnn.project.annotation import Annotation, Label, Reading, Tag, read
from mrcnn.project.geometry import Polygon, Unsupported
from mrcnn.project.image_file import Sizes
from mrcnn.project.meta import ProjectMeta
from mrcnn.project.reader import Item, Project, read_json
from mrcnn.project.skeletons import THIN_SHAPES

SUBTASK = "check"
NEITHER, ALL = "neither", "all"


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        text: what, with the file, and the object where it is about one.
        is_error: a run refuses or skips it.
    """

    text: str
    is_error: bool = False


@dataclass
class Report:
    """What a project holds.

    Attributes:
        project: the project; its items are those with an annotation file.
        splits: the names of the splits: the two tags, `neither` and `all`.
        images: images by split; one with both tags counts in both.
        objects: objects by (class, split).
        shapes: objects by shape.
        problems: what is wrong, in the order of the project.
    """

    project: Project
    splits: tuple[str, ...]
    images: Counter[str] = field(default_factory=Counter)
    objects: Counter[tuple[str, str]] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """The number of errors."""
        return sum(problem.is_error for problem in self.problems)

    def add(self, annotation: Annotation) -> None:
        """Counts an image and its objects."""
        tagged = [name for name in self.splits[:-2] if annotation.has_tag(name)]
        for split in (*(tagged or [NEITHER]), ALL):
            self.images[split] += 1
            self.objects.update((label.class_title, split) for label in annotation.labels)
        self.shapes.update(label.geometry.shape for label in annotation.labels)


def check_project(directory: Path, *, train_tag: str, val_tag: str, log: EventLog | None = None) -> Report:
    """Reads all files of a project.

    Args:
        directory: the project, or a folder with one project in it.
        train_tag: name of the image tag of the training set.
        val_tag: name of the image tag of the validation set.
        log: told of the progress; None for nobody.

    Raises:
        UserError: there is no or more than one project, or its meta is malformed.
    """
    project, refused = Project.scan(directory)
    report = Report(project, (*dict.fromkeys((train_tag, val_tag)), NEITHER, ALL))
    report.problems.extend(Problem(text, is_error=True) for text in refused)
    report.problems.extend(map(Problem, project.warnings))
    for number, item in enumerate(project.items, start=1):
        found, problems = _check_item(item, project.meta)
        report.add(found)
        report.problems.extend(problems)
        if log is not None:
            log.progress(SUBTASK, number, len(project.items))
    return report


def format_report(report: Report) -> str:
    """Writes the report: what is there, a table of objects by class and split, the shapes, the problems."""
    project, classes = report.project, report.project.meta.classes
    datasets = Counter(item.dataset for item in project.items)
    header = ("", "shape", *report.splits)
    rows = [("images", "", *(report.images[split] for split in report.splits))]
    rows += [
        (item.title, item.shape, *(report.objects[item.title, split] for split in report.splits)) for item in classes
    ]
    lines = [
        f"project {project.name} in {project.path}",
        f"data sets: {_listed(datasets)}",
        f"tags: {', '.join(f'{tag.name} ({tag.value_type})' for tag in project.meta.tags) or 'none'}",
        f"shapes of objects: {_listed(report.shapes)}",
        *_table([header, *rows]),
        *_remarks(report),
    ]
    warnings = len(report.problems) - report.errors
    lines.append(f"{report.errors} errors, {warnings} warnings")
    lines.extend(f"{'error' if problem.is_error else 'warning'}: {problem.text}" for problem in report.problems)
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mrcnn.project.check", description=__doc__.split("\n")[0])
    parser.add_argument("directory", type=Path, metavar="DIR", help="the project, or a folder with one project in it")
    parser.add_argument("--train-tag", default="train", help="tag of the training images (train)")
    parser.add_argument("--val-tag", default="val", help="tag of the validation images (val)")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)
    log, reports = events.make_log("rich"), []

    def run() -> None:
        reports.append(check_project(options.directory, train_tag=options.train_tag, val_tag=options.val_tag, log=log))

    code = events.run_main(run, log=log, debug=options.debug)
    for report in reports:
        print(format_report(report).encode(errors="backslashreplace").decode())  # file names may hold stray bytes
    return code or int(any(report.errors for report in reports))


def _check_item(item: Item, meta: ProjectMeta) -> tuple[Annotation, list[Problem]]:
    try:
        found = read(read_json(item.ann_path), meta)
    except UserError as error:
        found = Reading(Annotation(None), (str(error),))
    annotation = found.annotation
    problems = [Problem(_named(item.ann_path, text), is_error=True) for text in found.problems]
    about: list[Problem] = []
    size_hw = None  # without the image its objects are not drawn: the annotation may claim any size
    try:
        wrong, size_hw = _check_size(annotation.size_hw, _read_image(item.image_path))
        about.extend(wrong)
    except UserError as error:
        problems.append(Problem(_named(item.image_path, str(error)), is_error=True))
    about.extend(map(Problem, _check_tags("the image", annotation.tags, meta)))
    for place, label in zip(found.places, annotation.labels, strict=True):
        name = f"object {place} ({label.class_title!r})"
        texts = (*_check_label(label, size_hw), *_check_tags("it", label.tags, meta))
        about.extend(Problem(f"{name}: {text}") for text in texts)
    return annotation, [*problems, *(Problem(_named(item.ann_path, text), error) for text, error in about)]


def _read_image(path: Path) -> Sizes:
    data = image_file.read_bytes(path)
    image_file.decode(data, name=str(path))
    return image_file.sizes(data, name=str(path))


def _check_size(size_hw: tuple[int, int] | None, sizes: Sizes) -> tuple[list[Problem], tuple[int, int]]:
    """Compares the annotation's size with the image's; gives the size that objects are drawn in, too."""
    if size_hw is None or size_hw == sizes.upright_hw:
        return [], sizes.upright_hw
    if size_hw == sizes.stored_hw:
        return [Problem("the image's EXIF block turns it but the annotation does not: it is used unturned")], size_hw
    (height, width), (real_height, real_width) = size_hw, sizes.upright_hw
    text = f"`size` is {height}x{width} pixels (height x width), the image has {real_height}x{real_width}"
    return [Problem(text, is_error=True)], sizes.upright_hw


def _check_label(label: Label, size_hw: tuple[int, int] | None) -> Iterator[str]:
    geometry = label.geometry
    if isinstance(geometry, Unsupported):
        yield f"the shape {geometry.shape} cannot be drawn; the object is left out"
        return
    try:
        drawn = geometry.to_mask(*size_hw) if size_hw else ()
    except UserError as error:
        yield f"it cannot be drawn, which leaves its image out: {error}"
        return
    if drawn is None:
        yield "it covers no pixel of the image; it is left out"
    elif isinstance(geometry, Polygon) and len(geometry.exterior) < 3:
        yield f"a polygon needs 3 points, it has {len(geometry.exterior)}; it is drawn as they lie"


def _check_tags(subject: str, tags: Iterable[Tag], meta: ProjectMeta) -> Iterator[str]:
    for tag in tags:
        declared = meta.find_tag(tag.name)
        if declared is None:
            yield f"{subject} has the tag {tag.name!r}, which meta.json does not declare; the platform refuses it"
        elif not declared.accepts(tag.value):
            kind = f"{declared.value_type} of {list(declared.values)}" if declared.values else declared.value_type
            yield f"{subject} has the tag {tag.name!r} with the value {tag.value!r:.40}, its type is {kind}"


def _remarks(report: Report) -> Iterator[str]:
    thin = sum(report.shapes[shape] for shape in THIN_SHAPES)
    if thin:
        yield f"{thin} objects have no area ({', '.join(THIN_SHAPES)}): they are drawn one pixel wide"
    both = sum(report.images[split] for split in report.splits[:-1]) - report.images[ALL]
    if both:
        yield f"{both} images are in both sets"
    if report.images[NEITHER] == report.images[ALL]:
        tags = " or ".join(report.splits[:-2])
        yield f"no image has the tag {tags}; python -m mrcnn.project.tag makes a tagged copy"


def _table(rows: Sequence[tuple[object, ...]]) -> list[str]:
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            f"{cell!s:<{width}}" if column < 2 else f"{cell!s:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items())) or "none"


def _named(path: Path, text: str) -> str:
    return text if str(path) in text else f"{path}: {text}"


if __name__ == "__main__":
    raise SystemExit(main())
