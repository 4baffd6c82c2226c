"""Converts images with instance masks to a Supervisely project.

    python -m mrcnn convert masks IMAGES_DIR MASKS_DIR --out PROJECT --class-name pedestrian

Each image has one mask of the same size, in which each object has its own value and 0 is the background. All pixels
of a value are one object, also when it has holes or several parts. An image whose mask is all 0 stays as a negative.
Instead of a mask an image may have a folder, MASKS_DIR/NAME for NAME.jpg, with one mask for each object: all its pixels
that are not 0. Objects may overlap; an empty folder is an image without objects. Folders are recognized automatically.
Source: the layout of Penn-Fudan (Wang, Shi, Song and Shen, ACCV 2007) and of the torchvision tutorial that uses it.
"""

import argparse
import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mrcnn import events, files
from mrcnn.convert import object_masks, pairs
from mrcnn.convert.pairs import Pair
from mrcnn.convert.split import TRAIN_TAG, VAL_FRACTION, VAL_TAG, Split
from mrcnn.data import index_masks
from mrcnn.data.tally import Tally
from mrcnn.errors import UserError, counted
from mrcnn.events import EventLog
from mrcnn.images import image_file
from mrcnn.project.annotation import Annotation, Label, Tag
from mrcnn.project.geometry import Bitmap
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta
from mrcnn.project.writer import ProjectWriter

CLASS_TITLE = "object"
SMALL = 16  # pixels
BROKEN_IMAGE = "image left out, it cannot be read"
BROKEN_MASK = "image left out, mask cannot be used"
COLORS = "image left out, mask with colours"
OTHER_SIZE = "image left out, mask of another size (height, width)"
FEW_PIXELS = "object kept with under {} pixels"


@dataclass(frozen=True)
class MaskFormat:
    """How masks are named and read.

    Attributes:
        suffix: text between the image's name and the extension in the name of a mask or folder; None guesses it.
        colors_are_objects: also read masks with colours, each colour as one object and black as background.
        void: value of pixels that belong to no object, besides 0; None for none.
    """

    suffix: str | None = None
    colors_are_objects: bool = False
    void: int | None = None


ANY_NAME, AT_RANDOM = MaskFormat(), Split()


@dataclass
class Kept:
    """Counts of what a conversion kept and left out.

    Attributes:
        tags: number of images by tag; "" for images without a tag.
        objects: number of objects.
        small: those of them that are small.
        without: images without an object.
        several: images with more than one object.
        folders: images with a folder of masks.
        images_out: images left out.
        masks_out: masks left out because they have no image or a format that cannot be used, and in a folder of masks
            those that are empty, broken or of another size.
    """

    tags: Counter[str] = field(default_factory=Counter)
    objects: int = 0
    small: int = 0
    without: int = 0
    several: int = 0
    folders: int = 0
    images_out: int = 0
    masks_out: int = 0


def convert(
    images_dir: Path,
    masks_dir: Path,
    out: Path,
    *,
    log: EventLog,
    class_title: str = CLASS_TITLE,
    mask_format: MaskFormat = ANY_NAME,
    split: Split = AT_RANDOM,
    small: int = SMALL,
) -> Kept:
    """Writes the project; what cannot be used is reported and left out.

    Args:
        images_dir: the folder of the images; its subfolders are not searched.
        masks_dir: the folder of their masks, another one; a subfolder holds one mask for each object of its image.
        out: the project's folder; must not exist or be empty.
        log: where progress and omissions are reported.
        class_title: the class of all objects.
        mask_format: how masks are named and read.
        split: how images are tagged; the images to draw from are those with a mask, by name.
        small: objects of fewer pixels are counted in a warning; they are kept.

    Returns:
        What was kept and what was not.

    Raises:
        UserError: a folder cannot be read, no image has a mask that can be used, an image has both a mask and
            a folder of masks, `split` does not fit the images, or `out` is not free.
    """
    files.check_free(out)
    converter = _Converter(class_title, mask_format, small=small)
    found = pairs.find(images_dir, masks_dir, mask_format.suffix, log=log, tally=converter.tally)
    tags = split.tags([pair.image.name for pair in found], converter.tally)
    names = dict.fromkeys(tag for tag in tags.values() if tag is not None)
    meta = ProjectMeta((ClassMeta(class_title),), tuple(map(TagMeta, names)), {"projectType": "images"})
    dataset = images_dir.resolve().name.lstrip(".").replace("\\", "_") or "images"
    with ProjectWriter(out, meta) as writer:
        for pair in log.track(found, "convert"):
            if annotation := converter.annotate(pair, tags[pair.image.name]):
                writer.add(dataset, pair.image.name, pair.image, annotation=annotation)
        for line in converter.tally.lines():
            log.warning(line)
        if not converter.kept.tags:
            raise UserError(f"nothing can be learnt from {images_dir}: none of its images has a mask that can be used")
    kept, counts = converter.kept, converter.tally.counts
    kept.images_out = sum(number for reason, number in counts.items() if reason.startswith("image left out"))
    kept.masks_out = sum(number for reason, number in counts.items() if reason.startswith("mask left out"))
    return kept


class _Converter:
    """Reads pairs of image and mask, and counts what is kept and what is not."""

    def __init__(self, class_title: str, mask_format: MaskFormat, *, small: int):
        """Starts with all counts at zero."""
        self.kept = Kept()
        self.tally = Tally()
        self._class_title, self._format, self._small = class_title, mask_format, small

    def annotate(self, pair: Pair, tag: str | None) -> Annotation | None:
        """Makes the annotation of an image; None where the image is left out."""
        try:
            reason = BROKEN_IMAGE
            sizes = image_file.sizes(image_file.read_bytes(pair.image), name=str(pair.image))
            reason = BROKEN_MASK
            if pair.is_folder:
                size_hw, objects = object_masks.read_folder(pair.mask, sizes, tally=self.tally, void=self._format.void)
            else:
                indices = self._read(pair.mask)
                reason = OTHER_SIZE
                index_masks.check_size(pair.mask, indices.shape, sizes)
                reason = BROKEN_MASK
                size_hw, objects = indices.shape, _named(index_masks.object_bitmaps(indices), pair.mask)
        except UserError as error:
            self.tally.add(COLORS if isinstance(error, index_masks.ColorError) else reason, str(error))
            return None
        for name, area, _ in objects:
            if area < self._small:
                self.tally.add(FEW_PIXELS.format(self._small), f"{name} ({area})")
                self.kept.small += 1
        self.kept.tags[tag or ""] += 1
        self.kept.objects += len(objects)
        self.kept.without += not objects
        self.kept.several += len(objects) > 1
        self.kept.folders += pair.is_folder
        labels = tuple(Label(self._class_title, bitmap) for _, _, bitmap in objects)
        height, width = size_hw
        return Annotation((height, width), (Tag(tag),) if tag else (), labels)

    def _read(self, mask: Path) -> np.ndarray:
        indices = index_masks.read_indices(mask, colors_are_objects=self._format.colors_are_objects)
        return indices if self._format.void is None else np.where(indices == self._format.void, 0, indices)


def _named(objects: list[tuple[int, int, Bitmap]], mask: Path) -> list[tuple[str, int, Bitmap]]:
    """Replaces values by names for messages."""
    return [(f"value {value} of {mask.name}", area, bitmap) for value, area, bitmap in objects]


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path, metavar="IMAGES_DIR", help="folder of the images")
    parser.add_argument("masks", type=Path, metavar="MASKS_DIR",
                        help="folder of their masks, or of folders NAME with a mask for each object")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="PROJECT", help="new or empty folder")
    parser.add_argument("--class-name", default=CLASS_TITLE, metavar="NAME", help=f"of all objects ({CLASS_TITLE})")
    _add_format_options(parser)
    _add_split_options(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command line; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    log = events.make_log("rich")
    return events.run_main(functools.partial(_run, options, log), log=log, debug=options.debug)


def _add_format_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suffix", metavar="TEXT",
                        help="what a mask's or folder's name has after its image's, e.g. _mask (guessed)")  # fmt: skip
    parser.add_argument("--colors", choices=("objects",),
                        help="in masks with colours each colour is one object, black is background")  # fmt: skip
    parser.add_argument("--void", type=int, metavar="VALUE",
                        help="value of pixels that belong to no object, e.g. 255 in Pascal VOC (none)")  # fmt: skip
    parser.add_argument("--small", type=int, default=SMALL, metavar="PIXELS",
                        help=f"count objects of fewer pixels in a warning ({SMALL}); they are kept")  # fmt: skip


def _add_split_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--val-fraction", type=float, metavar="SHARE",
                        help=f"share of the images that validate, drawn at random ({VAL_FRACTION})")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="decides which images validate (0)")
    parser.add_argument("--train-list", type=Path, metavar="FILE", help="names of the training images, one a line")
    parser.add_argument("--val-list", type=Path, metavar="FILE", help="names of the validation images, one a line")
    parser.add_argument("--tag", metavar="NAME", help="give all images this tag")


def _run(options: argparse.Namespace, log: EventLog) -> None:
    if not options.class_name.strip():
        raise UserError("--class-name must not be empty; name what the masks show, such as pedestrian")
    split = Split(options.val_fraction, options.seed, options.train_list, options.val_list, options.tag)
    kept = convert(
        options.images,
        options.masks,
        options.out,
        log=log,
        class_title=options.class_name,
        mask_format=MaskFormat(options.suffix, options.colors == "objects", options.void),
        split=split,
        small=options.small,
    )
    _warn(kept, log, is_split=options.tag is None)
    tags = sorted(kept.tags.items(), key=lambda item: (not item[0], item[0]))  # untagged ones last
    tagged = ", ".join(f"{number} tagged {tag}" if tag else f"{number} untagged" for tag, number in tags)
    log.info(
        f"{options.out}: {counted(kept.tags.total(), 'image')} ({tagged}), {counted(kept.objects, 'object')} of class "
        f"{options.class_name} ({kept.small} of them under {options.small} pixels), {kept.without} of the images "
        f"without objects; {counted(kept.images_out, 'image')} and {counted(kept.masks_out, 'mask')} left out"
    )


def _warn(kept: Kept, log: EventLog, *, is_split: bool) -> None:
    """Warns of projects that a training would refuse, and of objects that may be joined."""
    if not kept.objects:
        log.warning("nothing can be learnt from this project alone: it has no object")
    elif not kept.several and kept.folders < kept.tags.total():
        log.warning("no mask has more than one value; if some images show several objects, they were joined to one")
    if is_split and (missing := [tag for tag in (TRAIN_TAG, VAL_TAG) if not kept.tags[tag]]):
        log.warning(f"no image is tagged {' or '.join(missing)}; a training needs both {TRAIN_TAG} and {VAL_TAG}")
