"""Matches images with their masks: `NAME.jpg` with `NAME.png` or `NAME<suffix>.png`.

Instead of a file the mask may be a folder, `NAME` or `NAME<suffix>`, with one file for each object.
"""

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from mrcnn.data.index_masks import MASK_EXTENSIONS
from mrcnn.data.tally import Tally
from mrcnn.errors import UserError, counted
from mrcnn.events import EventLog
from mrcnn.project import listing

NO_MASK = "image left out, no mask"
NO_IMAGE = "mask left out, no image"
NO_IMAGE_OF_FOLDER = "folder left out, no image"
SAME_NAME = "image left out, same name but for the extension"
SEVERAL = "image left out, several masks"
LOSSY = "mask left out, only PNG, BMP and TIFF keep every value"


class Pair(NamedTuple):
    """An image file and its mask.

    Attributes:
        image: the image file.
        mask: the file of its mask, or the folder of the masks of its objects.
        is_folder: `mask` is a folder.
    """

    image: Path
    mask: Path
    is_folder: bool = False


def find(images_dir: Path, masks_dir: Path, suffix: str | None, *, log: EventLog, tally: Tally) -> list[Pair]:
    """Finds the images of a folder and their masks in another.

    Args:
        images_dir: the folder of the images; its subfolders are not searched.
        masks_dir: the folder of their masks, of subfolders with one mask for each object, or of both.
        suffix: as for `match`; None guesses it by `guess_suffix`.
        log: where the guess and the use of subfolders are reported, and files that are neither image nor mask.
        tally: as for `match`; also counts masks in a format that may change the values of pixels.

    Returns:
        As from `match`.

    Raises:
        UserError: a folder cannot be read or has no image or mask, both are the same, or no suffix can be guessed;
            or as from `match`.
    """
    if images_dir.resolve() == masks_dir.resolve():
        raise UserError(f"images and masks must be in different folders, both are {images_dir}; move the masks")
    image_files, image_folders = list_folder(images_dir)
    mask_files, mask_folders = list_folder(masks_dir)
    for folder, paths, names in ((images_dir, image_files, image_folders), (masks_dir, mask_files, [])):
        if others := listing.passed_over(paths, folders=names):
            log.warning(f"ignored in {folder}: {', '.join(others)}")
    images = [path for path in image_files if listing.is_image(path)]
    masks, folders = keep_masks(mask_files, tally), [masks_dir / name for name in mask_folders]
    no_mask = "mask as PNG, BMP or TIFF"
    for paths, what, folder in ((images, "image", images_dir), (masks + folders, no_mask, masks_dir)):
        if not paths:
            raise UserError(f"there is no {what} in {folder}; name the folder that holds some")
    if suffix is None:
        suffix = guess_suffix(images, masks, folders=folders)
        if suffix is None:
            raise UserError(
                f"no mask in {masks_dir} is named after an image in {images_dir}, for example "
                f"{(masks + folders)[0].name} and {images[0].name}; name the mask of NAME.jpg NAME.png or NAME_mask.png"
            )
        if suffix:
            log.info(f"the mask of NAME is NAME{suffix}, guessed from the names; --suffix sets another ending")
    found = match(images, masks, suffix=suffix, tally=tally, folders=folders)
    if number := sum(pair.is_folder for pair in found):
        log.info(
            f"{number} of {counted(len(found), 'image')} with masks: a folder in {masks_dir} with one mask for each "
            "object"
        )
    return found


def guess_suffix(images: Sequence[Path], masks: Sequence[Path], *, folders: Sequence[Path] = ()) -> str | None:
    """Finds the text that most masks have after the name of an image.

    Args:
        images: the image files.
        masks: the mask files.
        folders: those with one mask for each object.

    Returns:
        The most frequent suffix, empty where masks are named like images; of equally frequent ones the shortest. None
        where no mask's name begins with an image's.
    """
    stems = {_stem(path) for path in images}
    found: Counter[str] = Counter()
    for stem in [*map(_stem, masks), *map(_folder_name, folders)]:
        found.update(stem[end:] for end in range(1, len(stem) + 1) if stem[:end] in stems)
    return min(found, key=lambda suffix: (-found[suffix], len(suffix), suffix)) if found else None


def match(
    images: Sequence[Path], masks: Sequence[Path], *, suffix: str, tally: Tally, folders: Sequence[Path] = ()
) -> list[Pair]:
    """Matches each image with the one mask, file or folder, of its name.

    Names are compared in one Unicode form.

    Args:
        images: the image files.
        masks: the mask files.
        suffix: text between the image's name and the extension in a mask's name.
        tally: counts what has no partner, and what has several.
        folders: those with one mask for each object.

    Returns:
        The pairs in the order of the images.

    Raises:
        UserError: an image has both a mask file and a folder.
    """
    suffix = unicodedata.normalize("NFC", suffix)
    by_stem, by_folder = _grouped(masks, _stem), _grouped(folders, _folder_name)
    used: set[str] = set()
    pairs, both = [], []
    for stem, same in _grouped(images, _stem).items():
        alone, inside = by_stem.get(stem + suffix, []), by_folder.get(stem + suffix, [])
        partners = alone + inside
        used.add(stem + suffix)
        if len(same) > 1:
            tally.add(SAME_NAME, _names(same), number=len(same))
        elif alone and inside:
            both.append(f"{same[0].name} ({_names(partners)})")
        elif len(partners) > 1:
            tally.add(SEVERAL, f"{same[0].name} ({_names(partners)})")
        elif not partners:
            tally.add(NO_MASK, same[0].name)
        else:
            pairs.append(Pair(same[0], partners[0], is_folder=bool(inside)))
    if both:
        raise UserError(
            f"{counted(len(both), 'image')} with both a mask file and a folder of masks: {listing.few(both)}; move one "
            "of the two away"
        )
    for found, reason in ((by_stem, NO_IMAGE), (by_folder, NO_IMAGE_OF_FOLDER)):
        for stem in (stem for stem in found if stem not in used):
            tally.add(reason, _names(found[stem]), number=len(found[stem]))
    return pairs


def list_folder(folder: Path) -> tuple[list[Path], list[str]]:
    """Lists a folder without hidden entries, sorted by name.

    Args:
        folder: its path.

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


def keep_masks(paths: Iterable[Path], tally: Tally, *, prefix: str = "") -> list[Path]:
    """Keeps the files whose format can be a mask.

    Args:
        paths: files of any kind.
        tally: counts the images in a format that may change the values of pixels.
        prefix: of the names in `tally`.

    Returns:
        The kept paths, in the same order.
    """
    kept = []
    for path in filter(listing.is_image, paths):
        if path.suffix.lower() in MASK_EXTENSIONS:
            kept.append(path)
        else:
            tally.add(LOSSY, f"{prefix}{path.name}")
    return kept


def _grouped(paths: Iterable[Path], name_of: Callable[[Path], str]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        found[name_of(path)].append(path)
    return found


def _names(paths: Iterable[Path]) -> str:
    return ", ".join(path.name for path in paths)


def _stem(path: Path) -> str:
    """Removes folder and extension; composes accents, which macOS stores decomposed."""
    return unicodedata.normalize("NFC", path.stem)


def _folder_name(path: Path) -> str:
    """Composes accents; a folder has no extension, so `a.b` is the folder of `a.b.jpg`."""
    return unicodedata.normalize("NFC", path.name)
