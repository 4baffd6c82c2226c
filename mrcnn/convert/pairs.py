"""Matches images with their masks: `NAME.jpg` with `NAME.png` or `NAME<suffix>.png`."""

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from mrcnn.convert.index_masks import MASK_EXTENSIONS
from mrcnn.data.tally import Tally
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.project import listing

NO_MASK = "image left out, no mask"
NO_IMAGE = "mask left out, no image"
SAME_NAME = "image left out, same name but for the extension"
SEVERAL = "image left out, several masks"
LOSSY = "mask left out, only PNG, BMP and TIFF keep every value"


class Pair(NamedTuple):
    """An image file and the file of its mask."""

    image: Path
    mask: Path


def find(images_dir: Path, masks_dir: Path, suffix: str | None, *, log: EventLog, tally: Tally) -> list[Pair]:
    """Finds the images of a folder and their masks in another.

    Args:
        images_dir: the folder of the images; its subfolders are not searched.
        masks_dir: the folder of their masks.
        suffix: as for `match`; None guesses it by `guess_suffix`.
        log: where the guess is reported, and files that are neither image nor mask.
        tally: as for `match`; also counts masks in a format that may change the values of pixels.

    Returns:
        As from `match`.

    Raises:
        UserError: a folder cannot be read or has no image or mask, both are the same, or no suffix can be guessed.
    """
    if images_dir.resolve() == masks_dir.resolve():
        raise UserError(f"images and masks must be in different folders, both are {images_dir}; move the masks")
    listed = {}
    for folder in (images_dir, masks_dir):
        listed[folder], folders = _list_files(folder)
        if others := listing.passed_over(listed[folder], folders=folders):
            log.warning(f"ignored in {folder}: {', '.join(others)}")
    images = [path for path in listed[images_dir] if listing.is_image(path)]
    masks = _keep_masks(listed[masks_dir], tally)
    for paths, what, folder in ((images, "image", images_dir), (masks, "mask as PNG, BMP or TIFF", masks_dir)):
        if not paths:
            raise UserError(f"there is no {what} in {folder}; name the folder that holds some")
    if suffix is None:
        suffix = guess_suffix(images, masks)
        if suffix is None:
            raise UserError(
                f"no mask in {masks_dir} is named after an image in {images_dir}, for example {masks[0].name} and "
                f"{images[0].name}; name the mask of NAME.jpg NAME.png or NAME_mask.png"
            )
        if suffix:
            log.info(f"the mask of NAME is NAME{suffix}, guessed from the names; --suffix sets another ending")
    return match(images, masks, suffix=suffix, tally=tally)


def guess_suffix(images: Sequence[Path], masks: Sequence[Path]) -> str | None:
    """Finds the text that most masks have after the name of an image.

    Args:
        images: the image files.
        masks: the mask files.

    Returns:
        The most frequent suffix, empty where masks are named like images; of equally frequent ones the shortest. None
        where no mask's name begins with an image's.
    """
    stems = {_stem(path) for path in images}
    found: Counter[str] = Counter()
    for path in masks:
        stem = _stem(path)
        found.update(stem[end:] for end in range(1, len(stem) + 1) if stem[:end] in stems)
    return min(found, key=lambda suffix: (-found[suffix], len(suffix), suffix)) if found else None


def match(images: Sequence[Path], masks: Sequence[Path], *, suffix: str, tally: Tally) -> list[Pair]:
    """Matches each image with the one mask of its name.

    Names are compared in one Unicode form.

    Args:
        images: the image files.
        masks: the mask files.
        suffix: what a mask's name has after the image's, before the extension.
        tally: counts what has no partner, and what has several.

    Returns:
        The pairs in the order of the images.
    """
    suffix = unicodedata.normalize("NFC", suffix)
    by_stem = _by_stem(masks)
    used: set[str] = set()
    pairs = []
    for stem, same in _by_stem(images).items():
        partners = by_stem.get(stem + suffix, [])
        used.add(stem + suffix)
        if len(same) > 1:
            tally.add(SAME_NAME, _names(same), number=len(same))
        elif len(partners) > 1:
            tally.add(SEVERAL, f"{same[0].name} ({_names(partners)})")
        elif not partners:
            tally.add(NO_MASK, same[0].name)
        else:
            pairs.append(Pair(same[0], partners[0]))
    for stem, paths in by_stem.items():
        if stem not in used:
            tally.add(NO_IMAGE, _names(paths), number=len(paths))
    return pairs


def _list_files(folder: Path) -> tuple[list[Path], list[str]]:
    """Lists a folder without hidden entries, sorted by name.

    Returns:
        Paths of its files, also of links to nothing, and the names of its subfolders.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        entries = sorted((item for item in os.scandir(folder) if not item.name.startswith(".")), key=lambda x: x.name)
        folders = {entry.name: None for entry in entries if entry.is_dir()}
    except OSError as error:
        raise UserError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    return [folder / entry.name for entry in entries if entry.name not in folders], list(folders)


def _keep_masks(paths: Iterable[Path], tally: Tally) -> list[Path]:
    """Keeps the files whose format can be a mask.

    Args:
        paths: files of any kind.
        tally: counts the images in a format that may change the values of pixels.
    """
    kept = []
    for path in filter(listing.is_image, paths):
        if path.suffix.lower() in MASK_EXTENSIONS:
            kept.append(path)
        else:
            tally.add(LOSSY, path.name)
    return kept


def _by_stem(paths: Iterable[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        found[_stem(path)].append(path)
    return found


def _names(paths: Iterable[Path]) -> str:
    return ", ".join(path.name for path in paths)


def _stem(path: Path) -> str:
    """Removes folder and extension; composes accents, which macOS stores decomposed."""
    return unicodedata.normalize("NFC", path.stem)
