"""Checks a project: counts objects by class and split, lists problems with file and object.

An error is a problem for which a run refuses the project or skips an image. A warning is a part that a run reads, but
perhaps not as intended. Every image is decoded and every object drawn. The number of objects that training would learn
depends on the train config; without one the defaults are used.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mrcnn.config.base import AUTO
from mrcnn.config.train import TrainConfig
from mrcnn.data import shapes
from mrcnn.errors import UserError, counted
from mrcnn.events import EventLog
from mrcnn.images import image_file
from mrcnn.images.image_file import Sizes
from mrcnn.project import repeated
from mrcnn.project.annotation import CROWD_TAG, Annotation, Label, Reading, Tag, read
from mrcnn.project.census import Census, Limits
from mrcnn.project.geometry import Polygon, Unsupported
from mrcnn.project.meta import ProjectMeta, TagMeta
from mrcnn.project.reader import Item, Project, read_json
from mrcnn.project.skeletons import THIN_SHAPES

SUBTASK = "check"
NEITHER, ALL = "neither", "all"

Box = tuple[int, int, int, int]  # yxyx pixels of the image, exclusive ends


class Problem(NamedTuple):
    """One problem of a project.

    Attributes:
        text: the message, with the file, and with the object where it concerns one.
        is_error: a run refuses or skips what is concerned.
        item: the image concerned; None for a problem of the whole project.
    """

    text: str
    is_error: bool = False
    item: Item | None = None


@dataclass
class Report:
    """The contents and problems of a project.

    Attributes:
        project: the project; its items are those with an annotation file.
        splits: the names of the splits: the two tags, `neither` and `all`.
        images: images by split; one with both tags counts in both.
        objects: objects by (class, split).
        shapes: figures by shape.
        thin: number of objects without an area.
        sizes: height and width of the images of each tag, where they can be read.
        problems: in the order of the project's items.
        config: the train config for which `sets` are counted.
        sets: for each of the two tags, the count of the objects that training would learn.
    """

    project: Project
    splits: tuple[str, ...]
    images: Counter[str] = field(default_factory=Counter)
    objects: Counter[tuple[str, str]] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    thin: int = 0
    sizes: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    config: TrainConfig = field(default_factory=TrainConfig)
    sets: dict[str, Census] = field(default_factory=dict)

    @property
    def refusals(self) -> list[str]:
        """Why training would refuse the project, one line each."""
        return [line for census in self.sets.values() if (line := census.refusal())]

    @property
    def errors(self) -> int:
        """The number of errors."""
        return sum(problem.is_error for problem in self.problems)

    def add(self, annotation: Annotation) -> None:
        """Counts an image and its objects."""
        tagged = [name for name in self.splits[:-2] if annotation.has_tag(name)]
        attached = annotation.attached()
        titles = [label.class_title for index, label in enumerate(annotation.labels) if index not in attached]
        for split in (*(tagged or [NEITHER]), ALL):
            self.images[split] += 1
            self.objects.update((title, split) for title in titles)
        self.thin += annotation.thin_shapes().total()
        self.shapes.update(label.geometry.shape for label in annotation.labels)

    def count(self, name: str, item: "_Checked") -> None:
        """Counts the objects that training would learn of an image; skips an unreadable image."""
        if item.size_hw is None:
            return
        special = self.config.special_classes
        attached = item.annotation.attached()
        pairs = enumerate(zip(item.annotation.labels, item.boxes, strict=True))
        own = [pair for index, pair in pairs if index not in attached]
        objects = [(label, box) for label, box in own if label.class_title not in (special.background, *special.stuff)]
        drawn = [(label, box) for label, box in objects if box is not None]
        for tag, census in self.sets.items():
            if item.annotation.has_tag(tag):
                self.sizes.setdefault(tag, []).append(item.size_hw)
                census.add(
                    name,
                    item.size_hw,
                    boxes=np.array([box for _, box in drawn], np.float64).reshape(-1, 4),
                    titles=[label.class_title for label, _ in drawn],
                    ignored=[_ignored(label, special.neutral) for label, _ in drawn],
                    left_out=len(objects) - len(drawn),
                )


def check_project(
    directory: Path,
    *,
    train_tag: str,
    val_tag: str,
    config: TrainConfig | None = None,
    log: EventLog | None = None,
    decoded: Container[Path] = (),
) -> Report:
    """Reads all files of a project and collects its contents and problems.

    Args:
        directory: the project, or a folder with one project in it.
        train_tag: name of the image tag of the training set.
        val_tag: name of the image tag of the validation set.
        config: the train config for which objects are counted; None for the defaults.
        log: where progress is reported; None for nowhere.
        decoded: paths of images that were decoded before, which are not decoded again.

    Raises:
        UserError: there is no or more than one project, or its meta is malformed.
    """
    project, refused = Project.scan(directory)
    config = config or TrainConfig()
    sets = {tag: Census(name, _limits(config)) for name, tag in (("validation", val_tag), ("training", train_tag))}
    sets = dict(reversed(sets.items()))  # the training set first; it represents both where they have one tag
    report = Report(project, (*sets, NEITHER, ALL), config=config, sets=sets)
    report.problems.extend(Problem(text, is_error=True) for text in refused)
    report.problems.extend(map(Problem, project.warnings))
    for number, item in enumerate(project.items, start=1):
        found = _check_item(item, project.meta, decoded)
        report.add(found.annotation)
        report.count(f"{item.dataset}/{item.name}", found)
        report.problems.extend(problem._replace(item=item) for problem in found.problems)
        if log is not None:
            log.progress(SUBTASK, number, len(project.items))
    return report


def format_report(report: Report, *, every: bool = False) -> str:
    """Writes the report as text: contents, table of objects by class and split, shapes, problems.

    Args:
        report: the result of `check_project`.
        every: show each problem; else repeated ones are shown as a count with an example.
    """
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
        f"tags: {', '.join(map(_tag_text, project.meta.tags)) or 'none'}",
        f"shapes of objects: {_listed(report.shapes)}",
        *_table([header, *rows]),
        *_remarks(report),
        *_training(report),
    ]
    warnings = len(report.problems) - report.errors
    lines.append(f"{counted(report.errors + len(report.refusals), 'error')}, {counted(warnings, 'warning')}")
    shown = list(_problem_lines(report.problems, every=every))
    lines.extend(shown)
    if len(shown) < len(report.problems):
        lines.append("similar problems are shown as one line with their count; --all shows each")
    return "\n".join(lines)


class _Checked(NamedTuple):
    """The result of checking one image.

    Attributes:
        annotation: without its malformed parts.
        size_hw: height and width in which the objects were drawn; None where the image cannot be read.
        boxes: for each label the box of its drawn pixels; None where none was drawn.
        problems: of the image, its annotation and its objects.
    """

    annotation: Annotation
    size_hw: tuple[int, int] | None
    boxes: list[Box | None]
    problems: list[Problem]


def _check_item(item: Item, meta: ProjectMeta, decoded: Container[Path]) -> _Checked:
    try:
        found = read(read_json(item.ann_path), meta)
    except UserError as error:
        found = Reading(Annotation(None), (str(error),))
    annotation = found.annotation
    problems = [Problem(_named(item.ann_path, text), is_error=True) for text in found.problems]
    about: list[Problem] = []
    size_hw = None  # without the image its objects are not drawn: the annotation may claim any size
    try:
        wrong, size_hw = _check_size(annotation.size_hw, _read_image(item.image_path, decoded))
        about.extend(wrong)
    except UserError as error:
        problems.append(Problem(_named(item.image_path, str(error)), is_error=True))
    about.extend(map(Problem, _check_tags("the image", annotation.tags, meta)))
    boxes: list[Box | None] = []
    for place, label in zip(found.places, annotation.labels, strict=True):
        name = f"object {place} ({label.class_title!r})"
        box, text = _draw(label, size_hw)
        boxes.append(box)
        texts = (*filter(None, [text]), *_check_tags("it", label.tags, meta))
        about.extend(Problem(f"{name}: {text}") for text in texts)
    problems += [one._replace(text=_named(item.ann_path, one.text)) for one in about]
    return _Checked(annotation, size_hw, boxes, problems)


def _read_image(path: Path, decoded: Container[Path]) -> Sizes:
    data = image_file.read_bytes(path)
    image_file.verify(data, name=str(path), was_decoded=path in decoded)
    return image_file.sizes(data, name=str(path))


def _check_size(size_hw: tuple[int, int] | None, sizes: Sizes) -> tuple[list[Problem], tuple[int, int]]:
    """Compares the annotation's size with the image's.

    Returns:
        The problems, and the height and width in which the objects are to be drawn.
    """
    if size_hw is None or size_hw == sizes.upright_hw:
        return [], sizes.upright_hw
    if size_hw == sizes.stored_hw:
        return [Problem("the image's EXIF block turns it but the annotation does not: it is used unturned")], size_hw
    (height, width), (real_height, real_width) = size_hw, sizes.upright_hw
    text = f"`size` is {height}x{width} pixels (height x width), the image has {real_height}x{real_width}"
    return [Problem(text, is_error=True)], sizes.upright_hw


def _draw(label: Label, size_hw: tuple[int, int] | None) -> tuple[Box | None, str | None]:
    """Draws an object to find its box and its problem.

    Returns:
        The box of its pixels, None where none was drawn, and the problem, None where there is none.
    """
    geometry = label.geometry
    if isinstance(geometry, Unsupported):
        return None, f"the shape {geometry.shape} cannot be drawn; the object is left out"
    if size_hw is None:
        return None, None
    try:
        drawn = geometry.to_mask(*size_hw)
    except UserError as error:
        return None, f"it cannot be drawn, which leaves its image out: {error}"
    if drawn is None:
        return None, "it covers no pixel of the image; it is left out"
    mask, (y, x) = drawn
    text = None
    if isinstance(geometry, Polygon) and len(geometry.exterior) < 3:
        drawn_as = "a point" if len(geometry.exterior) == 1 else "a line"
        text = f"a polygon needs 3 points, it has {len(geometry.exterior)}; it is drawn as {drawn_as}"
    return (y, x, y + mask.shape[0], x + mask.shape[1]), text


def _ignored(label: Label, neutral: str | None) -> str | None:
    """Finds why an object is a region to ignore; None for an object to learn."""
    if label.class_title == neutral:
        return "neutral"
    return "crowd" if label.has_tag(CROWD_TAG) else None


def _limits(config: TrainConfig) -> Limits:
    size, model = config.input_size, config.model
    slots = model.max_gt_instances if "max_gt_instances" in config.given_model else None
    shape = _shape(config) or "square"
    return Limits(size.min_dim, size.max_dim, slots, model.detections_per_image, shape, model.image_fit)


def _shape(config: TrainConfig) -> str | None:
    """Finds the shape of the model input; None where start weights decide it."""
    is_new = config.with_start(None).weights_init_type in ("random", "imagenet")
    return config.input_size.shape or (config.model.input_shape if is_new else None)


def _model_inputs(report: Report) -> str:
    """Describes the model inputs of the training images, as the log of a training does."""
    config, sizes = report.config, report.sizes.get(report.splits[0], [])
    most = config.input_size.max_dim
    if _shape(config) != "rectangle" or config.scale_jitter or not sizes:
        return f"{most}x{most} pixels"
    size = config.input_size.largest_in_training.model_copy(update={"shape": "rectangle"})
    needs = [shapes.need_of(height, width, size, fit=config.model.image_fit) for height, width in sizes]
    batch_size = 1 if config.batch_size.train == AUTO else config.batch_size.settled_train
    found = shapes.described(needs, max_dim=most, batch_size=batch_size, seed=config.seed)
    is_open = config.augmentation and config.input_size.shape is None
    return found + ("; squares if `augmentation` changes image sizes" if is_open else "")


def _training(report: Report) -> Iterator[str]:
    """Yields the lines of the report about what training would learn, leave out or refuse."""
    special = report.config.special_classes
    yield f"model input: {_model_inputs(report)} (`input_size` of --config or the default); counted for it:"
    left_out = (special.background, special.neutral, *special.stuff)
    titles = [item.title for item in report.project.meta.classes if item.title not in left_out]
    if not titles:
        yield f"  error: training refuses this project: no class to learn besides {special.background!r}"
    for number, census in enumerate(report.sets.values()):
        yield from (f"  {line}" for line in census.remarks(() if number else titles))
    yield from (f"  error: training refuses this project: {line}" for line in report.refusals)


def _tag_text(tag: TagMeta) -> str:
    """Writes a tag with the kind of its values, where it has values."""
    return tag.name if tag.value_type == "none" else f"{tag.name} ({tag.value_type})"


def _check_tags(subject: str, tags: Iterable[Tag], meta: ProjectMeta) -> Iterator[str]:
    for tag in tags:
        declared = meta.find_tag(tag.name)
        if declared is None:
            yield f"{subject} has the tag {tag.name!r}, which meta.json does not declare; the platform refuses it"
        elif not declared.accepts(tag.value):
            kind = f"{declared.value_type} of {list(declared.values)}" if declared.values else declared.value_type
            yield f"{subject} has the tag {tag.name!r}, whose value must be {kind}, got {tag.value!r:.40}"


def _remarks(report: Report) -> Iterator[str]:
    if report.thin:
        yield f"{counted(report.thin, 'object')} without area ({', '.join(THIN_SHAPES)}), drawn one pixel wide"
    both = sum(report.images[split] for split in report.splits[:-1]) - report.images[ALL]
    if both:
        yield f"{counted(both, 'image')} in both sets"
    if report.images[NEITHER] == report.images[ALL]:
        tags = " or ".join(report.splits[:-2])
        yield f"no image has the tag {tags}; python -m mrcnn tag makes a tagged copy"


def _problem_lines(problems: Sequence[Problem], *, every: bool) -> Iterator[str]:
    kinds: dict[object, list[Problem]] = {}
    for number, problem in enumerate(problems):
        kinds.setdefault(number if every else _kind(problem), []).append(problem)
    for alike in kinds.values():
        files = len({problem.item for problem in alike if problem.item})
        for text in repeated.counted([problem.text for problem in alike], files=files):
            yield f"{'error' if alike[0].is_error else 'warning'}: {text}"


def _kind(problem: Problem) -> tuple[bool, str]:
    item = problem.item
    names = (str(item.ann_path), str(item.image_path)) if item else ()
    return problem.is_error, repeated.kind_of(problem.text, *names)


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
