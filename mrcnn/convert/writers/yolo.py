"""Writes YOLO segmentation labels: a text file for each image, and `data.yaml` with the names of the classes.

    images/train/NAME.jpg, labels/train/NAME.txt; images/unsplit/… for images of no split
    data.yaml

A row is a class number and one outline, as fractions of the image. Parts and holes of an object are joined by lines
that are walked forth and back, from which COCO's mask code draws exactly its pixels. A crowd has no place: a row would
teach it as one object.
Source: Ultralytics' data set format, whose own converter of COCO data joins parts alike and leaves crowds out.
"""

import functools
from collections.abc import Sequence

import yaml

from mrcnn.convert.writers import outlines
from mrcnn.convert.writers.record import Picture, Setup, Writer
from mrcnn.data.formats.record import TEST, TRAIN, VAL

NO_SPLIT = "unsplit"  # folder of the images of no split
IMAGES, LABELS = "images", "labels"
DECIMALS = 7
# Pixels added to all coordinates: halves of a pixel stay on their side where fractions are rounded, since COCO's mask
# code rounds at 2.5 fifths of a pixel. It is more than 7 decimals of an image of 100,000 pixels are off.
NUDGE = 0.01
MOST_SIDES = 64  # widths and heights of images whose texts are kept, at most two for each pixel
PARTS_JOINED = "object with several parts, joined by a line without a width"
HOLES_JOINED = "object with holes, joined to its outline by a line without a width"

REPEATED = "object with the outline of another one of its class, which readers take for one"


class YoloWriter(Writer):
    """Writes the rows of each image at once."""

    def __init__(self, setup: Setup):
        """Numbers the classes from 0."""
        super().__init__(setup)
        self._numbers = {title: number for number, title in enumerate(setup.titles)}
        self._splits: set[str | None] = set()

    def image_path(self, picture: Picture) -> str:
        """Places an image in the folder of its split; a folder `images` inside gets another name.

        The place of the label file is found by the last `images` of the path.
        """
        *folders, name = picture.name.split("/")
        inside = [f"{folder}_" if folder == IMAGES else folder for folder in folders]
        return "/".join((IMAGES, picture.split or NO_SPLIT, *inside, name))

    def add(self, picture: Picture) -> None:
        """Writes the rows of an image; an empty file for an image without objects. See `Writer.add`."""
        self._splits.add(picture.split)
        image = self.setup.folder / self.image_path(picture)
        path = (self.setup.folder / LABELS / image.relative_to(self.setup.folder / IMAGES)).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = []
        items = self.kept(picture)
        for item, found in zip(items, outlines.trace_all([item.drawn for item in items]), strict=True):
            if found.parts[1:]:
                self.setup.losses.reduce(PARTS_JOINED, item.title)
            if found.holes:
                self.setup.losses.reduce(HOLES_JOINED, item.title)
            row = row_of(found, number=self._numbers[item.title], size_hw=picture.size_hw)
            if row in rows:
                self.setup.losses.reduce(REPEATED, item.title)
            rows.append(row)
        path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")

    def finish(self) -> Sequence[str]:
        """Writes `data.yaml`; see `Writer.finish`."""
        splits = {split: f"{IMAGES}/{split}" for split in (TRAIN, VAL, TEST) if split in self._splits}
        content = {**splits, "names": dict(enumerate(self.setup.titles))}
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        (self.setup.folder / "data.yaml").write_text(text, encoding="utf-8")
        return self._remarks()

    def _remarks(self) -> list[str]:
        lines = []
        if missing := [split for split in (TRAIN, VAL) if split not in self._splits]:
            lines.append(
                f"data.yaml names no images for {' and '.join(missing)}, and Ultralytics needs both; tag the images "
                "first (mrcnn tag), or name their tags by --train-tag and --val-tag"
            )
        if None in self._splits and len(self._splits) > 1:
            lines.append(f"images of no split are in {IMAGES}/{NO_SPLIT}, which data.yaml does not name")
        return lines


def row_of(found: outlines.Outlines, *, number: int, size_hw: tuple[int, int]) -> str:
    """Converts an object to a row.

    Args:
        found: its outlines, pixels.
        number: of its class.
        size_hw: height and width of the image, pixels.
    """
    height, width = size_hw
    across, down = _fractions(width), _fractions(height)
    xs, ys = outlines.joined(found).T.tolist()
    points = zip(map(across.__getitem__, xs), map(down.__getitem__, ys), strict=True)
    return " ".join((str(number), *map(" ".join, points)))


class _Fractions(dict[float, str]):
    """Texts of coordinates by their pixels; they repeat, and a number takes long to format."""

    def __init__(self, side: int):
        """Starts without texts; `side` is the image's width or height, pixels."""
        super().__init__()
        self._side = side

    def __missing__(self, pixels: float) -> str:
        text = self[pixels] = f"{min((pixels + NUDGE) / self._side, 1):.{DECIMALS}f}"
        return text


_fractions = functools.lru_cache(maxsize=MOST_SIDES)(_Fractions)
