"""Reads YOLO segmentation labels: a text file for each image, and a YAML file with the names of the classes.

A row is a class number and the points of one outline as fractions of the image; five numbers are a box. `train`, `val`
and `test` of the YAML file are folders, lists of folders or text files of image paths. A folder of images `…/images/…`
has its labels in `…/labels/…`; labels of any other folder are beside its images.
Source: Ultralytics' data set format (`data/utils.py`, `data/base.py`); Roboflow's exports, whose paths begin with
"../".
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from mrcnn import files
from mrcnn.data.formats.objects import Facts, ObjectList, box_ring
from mrcnn.data.formats.pictures import Pictures, head_of, walk
from mrcnn.data.formats.record import SPLIT_NAMES, Found, Job, split_of
from mrcnn.errors import UserError
from mrcnn.project import listing

WHAT = "YOLO segmentation labels (a data.yaml, or a folder with one or with images/ and labels/)"
YAMLS = (".yaml", ".yml")
SPLITS = ("train", "val", "valid", "test")
MOST_YAML = 2**20  # bytes
OVER = 0.01  # of the image that a point may lie outside, from rounding
NO_FOLDER = "split left out, its folder is not there"
NO_LABELS = "image without a label file, read as an image without objects"
BAD_ROW = "its row is malformed"
BAD_CLASS = "its class number has no name"
NOT_FRACTIONS = "its numbers are no fractions of the image"
REPEATED = "its row is there twice"
BROKEN = "its label file cannot be read"


def fits(path: Path) -> bool:
    """Checks whether a path is a YAML file with names, or a folder with one or with images and labels."""
    if path.is_dir():
        return _yaml_of(path) is not None or ((path / "images").is_dir() and _has_rows(path / "labels"))
    return path.suffix.lower() in YAMLS and _has_names(path)


def read(job: Job) -> Iterator[Found]:
    """Yields the images of all splits.

    Raises:
        UserError: `job.images` is given, or the YAML file is malformed or names no classes.
    """
    if job.images is not None:
        raise UserError(f"--images {job.images} has no effect: {job.path} says where the images of YOLO labels are")
    description = _yaml_of(job.path) if job.path.is_dir() else job.path
    content = read_yaml(description) if description else {}
    root = description.parent if description else job.path
    names = class_names(content, root, description or job.path)
    job.report.declare(names.values())
    for split, images in _splits(content, root, job):
        pictures = Pictures(job, root)
        for path in images:
            yield from _read_image(pictures, path, job=job, names=names, split=split)


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Reads the description of a data set.

    Raises:
        UserError: it cannot be read, is no YAML or has no keys.
    """
    try:
        content = yaml.safe_load(files.read_bytes(path, what="data set description", most=MOST_YAML))
    except UserError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, Mapping):
        raise UserError(f"{path} must have keys such as `names` and `train`, got {content!r:.80}")
    return content


def class_names(content: Mapping[str, Any], root: Path, path: Path) -> dict[int, str]:
    """Reads the names of the classes by number.

    Args:
        content: of the YAML file.
        root: folder that may hold `classes.txt` with a name a line, used where the YAML file has no names.
        path: of the data, for messages.

    Raises:
        UserError: there are no names, or they are no list or mapping of numbers.
    """
    names = content.get("names")
    if names is None and (root / "classes.txt").is_file():
        text = files.read_bytes(root / "classes.txt", what="list of classes", most=MOST_YAML).decode("utf-8", "replace")
        names = [line.strip() for line in text.splitlines() if line.strip()]
    if isinstance(names, list):
        names = dict(enumerate(names))
    try:
        found = {int(key): str(name) for key, name in names.items()}  # type: ignore[union-attr]
    except (AttributeError, TypeError, ValueError):
        found = {}
    if not found:
        raise UserError(
            f"{path} names no classes; `names` in its data.yaml must be a list or a mapping of numbers to names, got "
            f"{names!r:.80}"
        )
    return found


def _yaml_of(folder: Path) -> Path | None:
    found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in YAMLS and _has_names(path)]
    return min(found, key=lambda path: (path.stem != "data", path.name)) if found else None


def _has_names(path: Path) -> bool:
    return any(line.startswith(b"names") for line in head_of(path).splitlines())


def _has_rows(labels: Path) -> bool:
    return labels.is_dir() and any(path.name != "classes.txt" for path in walk(labels, ".txt"))


def _splits(content: Mapping[str, Any], root: Path, job: Job) -> Iterator[tuple[str | None, list[Path]]]:
    given = {name: content[name] for name in SPLITS if content.get(name)}
    if not given:
        images = root / "images"
        paths = _images(images if images.is_dir() else root)
        by_split: dict[str | None, list[Path]] = {}
        for path in paths:
            by_split.setdefault(split_of(path.relative_to(root).parts[:-1]), []).append(path)
        yield from by_split.items()
    for name, places in given.items():
        paths = []
        for place in places if isinstance(places, list) else [places]:
            found = _place(str(place), content, root)
            if found is None:
                job.report.tally.add(NO_FOLDER, f"{name}: {place}")
            else:
                paths += _listed(found, root) if found.is_file() else _images(found)
        yield SPLIT_NAMES[name], paths


def _place(place: str, content: Mapping[str, Any], root: Path) -> Path | None:
    """Finds a folder or list of a YAML file, which may have the paths of another machine.

    Only what is below the YAML file's folder, or below its `path`, is used.
    """
    parts = _inner_parts(place)
    base = content.get("path")
    bases = [root / str(base), root] if isinstance(base, str) and (root / str(base)).is_dir() else [root]
    tails = [PurePosixPath(*parts[start:]) for start in range(max(len(parts), 1))]  # "." is the folder itself
    return next((folder / tail for folder in bases for tail in tails if (folder / tail).exists()), None)


def _listed(path: Path, root: Path) -> list[Path]:
    """Reads a text file of image paths, relative to its folder or the YAML file's.

    Of a path from another machine, or CVAT's `data/images/…`, the longest ending that is a file is used.
    """
    text = files.read_bytes(path, what="list of images").decode("utf-8", "replace")
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        parts = _inner_parts(line)
        tails = [base.joinpath(*parts[start:]) for start in range(len(parts)) for base in (path.parent, root)]
        found.append(next((candidate for candidate in tails if candidate.is_file()), root.joinpath(*parts)))
    return found


def _inner_parts(place: str) -> list[str]:
    """Splits a path into its parts, without `..` and drive names."""
    parts = PurePosixPath(place.replace("\\", "/")).parts
    return [part for part in parts if part not in ("..", ".", "/", "//") and not part.endswith(":")]


def _images(folder: Path) -> list[Path]:
    return walk(folder, *listing.IMAGE_EXTENSIONS)


def _label_path(image: Path) -> Path:
    """Finds the label file of an image: the last folder `images` of its path becomes `labels`."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _read_image(
    pictures: Pictures, path: Path, *, job: Job, names: Mapping[int, str], split: str | None
) -> Iterator[Found]:
    label_path = _label_path(path)
    picture = pictures.open(path)
    if picture is None:
        return
    objects = ObjectList(job, label_path.name, picture.size_hw)
    if label_path.is_file():
        try:
            text = files.read_bytes(label_path, what="label file").decode("utf-8-sig")
        except (UserError, UnicodeDecodeError) as error:
            job.report.lose_image(BROKEN, f"{label_path}: {error}")
            return
        _add_rows(objects, text, names=names, size_hw=picture.size_hw)
    else:
        job.report.tally.add(NO_LABELS, path.name)
    yield from pictures.found(picture, label_path, objects=objects, split=split)


def _add_rows(objects: ObjectList, text: str, *, names: Mapping[int, str], size_hw: tuple[int, int]) -> None:
    seen: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        row = line.strip()
        if not row:
            continue
        try:
            values = [float(word) for word in row.split()]
        except ValueError as error:
            objects.lose(Facts(None, f"in line {number}"), BAD_ROW, str(error))
            continue
        title = names.get(int(values[0])) if math.isfinite(values[0]) and values[0] % 1 == 0 else None
        facts = Facts(title, f"in line {number}")
        if title is None:
            objects.lose(facts, BAD_CLASS, row.split()[0])
        elif row in seen:
            objects.lose(facts, REPEATED)
        else:
            seen.add(row)
            _add_row(objects, facts, values[1:], size_hw=size_hw)


def _add_row(objects: ObjectList, facts: Facts, values: list[float], *, size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    if any(not -OVER <= value <= 1 + OVER for value in values):
        objects.lose(facts, NOT_FRACTIONS, f"one is {max(values, key=abs)}")
    elif len(values) == 4:
        x, y, w, h = values
        low, high = ((x - w / 2) * width, (y - h / 2) * height), ((x + w / 2) * width, (y + h / 2) * height)
        objects.add_box(facts, box_ring(low, high))
    elif len(values) < 6 or len(values) % 2:
        objects.lose(facts, BAD_ROW, f"{len(values)} numbers after the class; an outline needs 6 or more, in pairs")
    else:
        sides = (width, height) * (len(values) // 2)
        objects.add_outline(facts, [[value * side for value, side in zip(values, sides, strict=True)]])
