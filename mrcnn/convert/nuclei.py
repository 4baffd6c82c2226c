"""Converts the Data Science Bowl 2018 nuclei to a Supervisely project.

    python -m mrcnn convert nuclei --source DIR --out PROJECT --val 33

The source holds `stage1_train/<id>/images/*.png` and one mask per nucleus in `stage1_train/<id>/masks/*.png`.
Source: Kaggle Data Science Bowl 2018, BBBC038 (CC0).
"""

import argparse
import functools
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mrcnn import events, files
from mrcnn.convert.split import TRAIN_TAG, VAL_TAG
from mrcnn.data import index_masks
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.images import pixels
from mrcnn.project.annotation import Annotation, Label, Tag
from mrcnn.project.geometry import Bitmap
from mrcnn.project.listing import is_overlong
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta
from mrcnn.project.writer import ProjectWriter

CLASS_TITLE = "nucleus"
DATASET = "stage1_train"


def convert(source: Path, out: Path, *, val_count: int, seed: int, log: EventLog) -> Counter[str]:
    """Writes the project; an unreadable sample is reported and left out.

    Args:
        source: the folder that holds `stage1_train`, or that folder itself.
        out: the project's folder; must not exist or be empty.
        val_count: number of images with the tag `val`; the others get `train`.
        seed: of the random choice of these images.
        log: where progress and problems are reported.

    Returns:
        Counts of images by tag, of `objects`, and of `skipped` images.

    Raises:
        UserError: there is no such folder, `val_count` leaves no image for one side, or `out` is not free.
    """
    files.check_free(out)
    folders = _sample_folders(source)
    if not 0 < val_count < len(folders):
        raise UserError(
            f"--val must be from 1 to {len(folders) - 1}, as there are {len(folders)} images; got {val_count}"
        )
    val = {folder.name for folder in random.Random(seed).sample(folders, val_count)}
    meta = ProjectMeta(
        (ClassMeta(CLASS_TITLE, color="#3FA7D6"),), (TagMeta(TRAIN_TAG), TagMeta(VAL_TAG)), {"projectType": "images"}
    )
    counts: Counter[str] = Counter()
    with ProjectWriter(out, meta) as writer:
        for folder in log.track(folders, "convert"):
            tag = VAL_TAG if folder.name in val else TRAIN_TAG
            try:
                image, annotation = _read_sample(folder, tag)
            except UserError as error:
                log.warning(f"{folder} is left out: {error}")
                counts["skipped"] += 1
                continue
            writer.add(DATASET, image.name, image, annotation=annotation)
            counts[tag] += 1
            counts["objects"] += len(annotation.labels)
    return counts


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, required=True, metavar="DIR", help="folder that holds stage1_train")
    parser.add_argument("--out", type=Path, required=True, metavar="PROJECT", help="new or empty folder")
    parser.add_argument("--val", type=int, default=33, help="number of images that validate (33)")
    parser.add_argument("--seed", type=int, default=0, help="decides which images validate (0)")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command line; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    log = events.make_log("rich")
    return events.run_main(functools.partial(_run, options, log), log=log, debug=options.debug)


def _run(options: argparse.Namespace, log: EventLog) -> None:
    counts = convert(options.source, options.out, val_count=options.val, seed=options.seed, log=log)
    log.info(
        f"{options.out}: {counts[TRAIN_TAG]} images tagged {TRAIN_TAG}, {counts[VAL_TAG]} tagged {VAL_TAG}, "
        f"{counts['objects']} nuclei; {counts['skipped']} images left out"
    )


def _sample_folders(source: Path) -> list[Path]:
    root = source / DATASET if (source / DATASET).is_dir() else source
    folders = sorted(path.parent for path in root.glob("*/images") if path.is_dir())
    if not folders:
        raise UserError(f"no <id>/images folder in {root}; name the folder that holds {DATASET}")
    return folders


def _read_sample(folder: Path, tag: str) -> tuple[Path, Annotation]:
    found = sorted((folder / "images").glob("*.png"))
    if found and is_overlong(found[0].name):
        raise UserError(f"the name of {found[0]} is too long for a project")
    if len(found) != 1:
        raise UserError(f"expected one PNG in {folder / 'images'}, found {len(found)}")
    height_width = pixels.image_size(found[0])
    labels = []
    for path in sorted((folder / "masks").glob("*.png")):
        mask = index_masks.read_indices(path, colors_are_objects=True) != 0
        index_masks.check_size(path, mask.shape, [height_width])
        if mask.any():
            labels.append(Label(CLASS_TITLE, Bitmap.from_canvas(mask)))
    return found[0], Annotation(height_width, (Tag(tag),), tuple(labels))
