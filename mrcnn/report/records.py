"""The records of labelled data from which the report is computed: one for each object, image and data set.

They hold no pixels, so the facts of a large data set fit into memory. Boxes are yxyx pixels of the image, whole
numbers, exclusive ends.
"""

from typing import NamedTuple

TRAIN, VAL, BOTH, NEITHER = "train", "val", "both", "neither"
SPLITS = (TRAIN, VAL, BOTH, NEITHER)


class ObjectFacts(NamedTuple):
    """One object as training draws it.

    Attributes:
        title: of its class.
        box: of its drawn pixels.
        area: number of its pixels.
        ignored: whether it is a region to ignore, a crowd or an object of the neutral class.
        parts: number of its separate pieces.
        overlap: largest IoU of its mask with that of another object; 0 where none is at least `overlaps.LEAST`.
        overlaps_with: index of that object in the image; -1 without one.
        crowding: largest IoU of its box with that of another object of its class.
    """

    title: str
    box: tuple[int, int, int, int]
    area: int
    ignored: bool = False
    parts: int = 1
    overlap: float = 0.0
    overlaps_with: int = -1
    crowding: float = 0.0

    @property
    def height(self) -> int:
        """Height of the box."""
        return self.box[2] - self.box[0]

    @property
    def width(self) -> int:
        """Width of the box."""
        return self.box[3] - self.box[1]


class ImageFacts(NamedTuple):
    """One image with its objects.

    Attributes:
        name: unique in the data, such as `ds/cat.jpg`.
        split: one of `SPLITS`.
        size_hw: height and width in which it is used, pixels.
        objects: in the order of the annotation.
        left_out: number of annotated objects that cover no pixel or have an unknown shape.
        orientation: value of EXIF's orientation; 1 for an image that is stored upright.
        unturned: whether the annotation fits only the image as stored, so that its orientation is not applied.
        look: what `duplicates.look_of` returns.
        item: index of the image in the source.
    """

    name: str
    split: str
    size_hw: tuple[int, int]
    objects: tuple[ObjectFacts, ...] = ()
    left_out: int = 0
    orientation: int = 1
    unturned: bool = False
    look: bytes = b""
    item: int = 0


class Skip(NamedTuple):
    """An image that cannot be used.

    Attributes:
        name: of the image.
        reason: one line.
    """

    name: str
    reason: str


class DataFacts(NamedTuple):
    """All images of a data set.

    Attributes:
        name: of the data.
        kind: its format in messages.
        titles: of the classes that objects may have, in their order.
        colors: `#RRGGBB` by title.
        images: the usable images.
        skipped: the others.
        remarks: what was left out when the data was opened, and why training would refuse it; one line each.
    """

    name: str
    kind: str
    titles: tuple[str, ...]
    colors: dict[str, str]
    images: tuple[ImageFacts, ...]
    skipped: tuple[Skip, ...] = ()
    remarks: tuple[str, ...] = ()
