"""Copies a project and tags its images for training and validation.

    python -m mrcnn tag SRC DST --val-fraction 0.2 --seed 0

Images are hard-linked where the disk allows it, else copied. Existing tags of the same names are replaced.
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mrcnn import events, files
from mrcnn.errors import UserError, printable
from mrcnn.project.annotation import Annotation, Tag
from mrcnn.project.reader import Project
from mrcnn.project.writer import ProjectWriter


def split_indices(count: int, *, val_fraction: float, seed: int) -> frozenset[int]:
    """Draws the validation images at random.

    Args:
        count: number of images.
        val_fraction: share of the images to validate on.
        seed: of the random draw.

    Returns:
        Indices of the validation images: the rounded share, but at least one image on each side where there are two.

    Raises:
        UserError: `val_fraction` is not above 0 and below 1.
    """
    if not 0 < val_fraction < 1:
        raise UserError(f"--val-fraction must be above 0 and below 1, got {val_fraction}")
    val_count = min(max(round(count * val_fraction), 1), count - 1)
    return frozenset(random.Random(seed).sample(range(count), val_count))


def tag_project(
    source: Path, target: Path, *, val: frozenset[int] | None, train_tag: str, val_tag: str
) -> tuple[int, int]:
    """Writes the tagged copy of a project.

    Args:
        source: the project, or a folder with one project in it.
        target: the new project's folder; must not exist or be empty.
        val: indices of the project's sorted items that validate, the others train; None tags every image with both.
        train_tag: name of the training tag.
        val_tag: name of the validation tag.

    Returns:
        How many images got the training and the validation tag.

    Raises:
        UserError: the project or one of its annotations cannot be read, or the target is not free.
    """
    files.check_free(target)
    project = Project.open(source)
    names = (train_tag, val_tag)
    counts = {name: 0 for name in names}
    with ProjectWriter(target, project.meta.with_tags(*names)) as writer:
        for index, item in enumerate(project.items):
            new = names if val is None else (val_tag,) if index in val else (train_tag,)
            annotation = _retagged(item.read_annotation(project.meta), old=names, new=new)
            writer.add(item.dataset, item.name, item.image_path, annotation=annotation)
            for name in new:
                counts[name] += 1
    return counts[train_tag], counts[val_tag]


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, metavar="SRC", help="the project to copy")
    parser.add_argument("target", type=Path, metavar="DST", help="folder for the tagged copy; new or empty")
    parser.add_argument("--val-fraction", type=float, default=0.2, help="share of the images that validate (0.2)")
    parser.add_argument("--seed", type=int, default=0, help="decides which images validate (0)")
    parser.add_argument("--train-tag", default="train", help="tag of the images to train on (train)")
    parser.add_argument("--val-tag", default="val", help="tag of the images to validate on (val)")
    parser.add_argument("--all-train", action="store_true", help="give every image both tags, e.g. for an overfit test")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command line; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    return events.run_main(lambda: _run(options), log=events.make_log("rich"), debug=options.debug)


def _run(options: argparse.Namespace) -> None:
    val = None
    if not options.all_train:
        if options.train_tag == options.val_tag:
            raise UserError(f"--train-tag and --val-tag must differ, both are {options.val_tag!r}")
        count = len(Project.open(options.source).items)
        val = split_indices(count, val_fraction=options.val_fraction, seed=options.seed)
    train_count, val_count = tag_project(
        options.source, options.target, val=val, train_tag=options.train_tag, val_tag=options.val_tag
    )
    print(
        printable(
            f"{options.target}: {train_count} images tagged {options.train_tag}, {val_count} tagged {options.val_tag}"
        )
    )


def _retagged(annotation: Annotation, *, old: Sequence[str], new: Sequence[str]) -> Annotation:
    kept = tuple(tag for tag in annotation.tags if tag.name not in old)
    return replace(annotation, tags=(*kept, *(Tag(name) for name in dict.fromkeys(new))))
