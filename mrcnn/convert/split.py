"""Tags images for training and validation, at random, by lists or all alike."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mrcnn import files
from mrcnn.data.tally import Tally
from mrcnn.errors import UserError
from mrcnn.project.tag import split_indices

TRAIN_TAG, VAL_TAG = "train", "val"
VAL_FRACTION = 0.2
MOST_LIST = 2**28  # bytes of a list of names
UNKNOWN = "listed name without an image and mask"
UNLISTED = "image in no list, without a tag"


@dataclass(frozen=True)
class Split:
    """How images are tagged; only one of the ways may be set.

    Attributes:
        val_fraction: share of the images to validate on, drawn at random; None for `VAL_FRACTION`.
        seed: of the draw.
        train_list: file with the names of the training images, one a line.
        val_list: file with the names of the validation images. With one list, the other images have the other tag;
            with both, they have none.
        tag: of all images.
    """

    val_fraction: float | None = None
    seed: int = 0
    train_list: Path | None = None
    val_list: Path | None = None
    tag: str | None = None

    def __post_init__(self):
        """Checks that at most one way is set.

        Raises:
            UserError: several are.
        """
        lists = self.train_list is not None or self.val_list is not None
        if (self.val_fraction is not None) + lists + (self.tag is not None) > 1:
            raise UserError("give --val-fraction, lists (--train-list, --val-list) or --tag, only one of the three")

    def tags(self, names: Sequence[str], tally: Tally) -> dict[str, str | None]:
        """Finds the tag of each image.

        Args:
            names: file names of the images; their order decides what is drawn.
            tally: counts listed names without an image, and images in no list.

        Returns:
            The tag of each name, None for no tag; empty without images.

        Raises:
            UserError: the share is not above 0 and below 1, a list cannot be read or names no image, or an image is in
                both lists.
        """
        if self.tag is not None or not names:
            return dict.fromkeys(names, self.tag)
        if self.train_list is not None or self.val_list is not None:
            return self._listed(names, tally)
        fraction = VAL_FRACTION if self.val_fraction is None else self.val_fraction
        val = split_indices(len(names), val_fraction=fraction, seed=self.seed)
        return {name: VAL_TAG if index in val else TRAIN_TAG for index, name in enumerate(names)}

    def _listed(self, names: Sequence[str], tally: Tally) -> dict[str, str | None]:
        train = None if self.train_list is None else _read_list(self.train_list, names, tally)
        val = None if self.val_list is None else _read_list(self.val_list, names, tally)
        if both := sorted((train or set()) & (val or set())):
            raise UserError(f"{both[0]} is in both lists, {self.train_list} and {self.val_list}; remove it from one")
        others = TRAIN_TAG if train is None else VAL_TAG if val is None else None
        tags: dict[str, str | None] = dict.fromkeys(names, others)
        tags.update(dict.fromkeys(train or (), TRAIN_TAG))
        tags.update(dict.fromkeys(val or (), VAL_TAG))
        for name in names:
            if tags[name] is None:
                tally.add(UNLISTED, name)
        return tags


def _read_list(path: Path, names: Iterable[str], tally: Tally) -> set[str]:
    """Reads the images that a list names, with or without their extension."""
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(_composed(Path(name).stem), name)
    by_name |= {_composed(name): name for name in names}
    try:
        text = files.read_bytes(path, what="list", most=MOST_LIST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"the list {path} must be UTF-8 text, one name a line: {error.reason}") from error
    found: set[str] = set()
    for line in filter(None, (line.strip() for line in text.splitlines())):
        listed = by_name.get(_composed(line))
        if listed is None:
            tally.add(UNKNOWN, f"{line} ({path.name})")
        else:
            found.add(listed)
    if not found:
        raise UserError(
            f"the list {path} names none of the images; write one name a line, such as {next(iter(by_name.values()))}"
        )
    return found


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
