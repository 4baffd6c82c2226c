"""Draws some validation images with labels and detections after a validation, so that one can watch a model learn.

The images are the same each time. Their detections are those of the validation; only their pixels are read again.
"""

import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import keras
import numpy as np
from PIL import Image, ImageDraw

from mrcnn import files
from mrcnn.errors import UserError, one_line
from mrcnn.evaluate.analysis import compare
from mrcnn.evaluate.analysis.compare import Panels
from mrcnn.evaluate.analysis.seen import Collector
from mrcnn.images import letters
from mrcnn.structures import Detections, GroundTruth
from mrcnn.train.optional_files import OptionalFiles

FOLDER = "val_examples"
COUNT = 6  # images of a picture
PICTURES = 20  # of a run, about
SIDE = 360  # pixels: the longer side of a drawn image
THRESHOLD = 0.3  # score from which detections are drawn: low, since scores rise late
MARGIN, LINE = 8, 20  # pixels between images; height of a line of text
GROUND, INK = (24, 26, 30), (235, 235, 235)


def chosen(classes: Sequence[Collection[int]], *, count: int = COUNT) -> tuple[int, ...]:
    """Chooses images with objects of as many classes as possible, else evenly spread over those with objects.

    Args:
        classes: class ids of the objects of each image of the validation set.
        count: the most images.

    Returns:
        Indices, ascending; of images without objects only where none has any.
    """
    usable = [index for index, own in enumerate(classes) if own] or list(range(len(classes)))
    number = min(count, len(usable))
    spread = [usable[place * len(usable) // number] for place in range(number)]
    picked: list[int] = []
    shown: set[int] = set()
    for index in (*spread, *usable):
        if not shown.issuperset(classes[index]):
            picked.append(index)
            shown.update(classes[index])
    picked += [index for index in spread if index not in picked]
    return tuple(sorted(picked[:number]))


def is_due(epoch: int, *, every: int | None, validate_every: int, epochs: int) -> bool:
    """Checks whether a picture is drawn after an epoch.

    Args:
        epoch: counted from 0; a validated one.
        every: epochs from one picture to the next; None for about `PICTURES` in a run, 0 for none.
        validate_every: epochs from one validation to the next.
        epochs: epochs of the whole run.
    """
    if every == 0:
        return False
    wanted = math.ceil(epochs / PICTURES) if every is None else every
    step = math.ceil(wanted / validate_every) * validate_every  # else the validation would rarely be at a multiple
    return (epoch + 1) % step == 0 or epoch + 1 in (validate_every, epochs)


class Examples(keras.callbacks.Callback):
    """Collects detections of the chosen images during a validation and draws them; must come after the validation."""

    def __init__(
        self,
        images: Sequence[int],
        *,
        read: Callable[[int], np.ndarray],
        names: Sequence[str],
        titles: Sequence[str],
        due: Callable[[int], bool],
        folder: Path,
        optional_files: OptionalFiles,
    ):
        """Stores the settings.

        Args:
            images: ids of the images.
            read: reads an image by its id, `[H, W, channels]` uint8.
            names: of the images by id, for the captions.
            titles: by class id, the background first.
            due: returns whether a picture is drawn after an epoch, counted from 0.
            folder: of the run, in which `FOLDER` is made.
            optional_files: writes the pictures without ending the run on an error.
        """
        super().__init__()
        self._images, self._read, self._names, self._titles = frozenset(images), read, names, titles
        self._due, self._folder, self._optional_files = due, folder / FOLDER, optional_files
        self._collected = Collector()

    def add(self, image_id: int, truth: GroundTruth, detections: Detections) -> None:
        """Collects the detections of an image if it is a chosen one."""
        if image_id in self._images:
            self._collected.add(image_id, truth, detections)

    def on_epoch_end(self, epoch, logs=None):
        """Draws the collected images if the epoch is due."""
        collected, self._collected = self._collected, Collector()
        if not collected.images or not self._due(epoch):
            return
        tiles = []
        for one in sorted(collected.images, key=lambda one: one.image_id):
            try:
                image = self._read(one.image_id)
            except UserError:  # validation has read it, so the file has changed since
                continue
            drawn = compare.panels(image, one, titles=self._titles, threshold=THRESHOLD, side=SIDE)
            tiles.append((self._names[one.image_id], drawn))
        if not tiles:
            return
        path = self._folder / f"epoch_{epoch + 1:04d}.jpg"
        title = f"epoch {epoch + 1}: labels, and detections with a score of at least {THRESHOLD:g}"
        with self._optional_files.writing(path):
            self._folder.mkdir(exist_ok=True)
            with files.replaced(path) as partial:
                partial.write_bytes(compare.encode(sheet(title, tiles), ".jpg"))


def sheet(title: str, tiles: Sequence[tuple[str, Panels]]) -> np.ndarray:
    """Arranges pairs of pictures below a title, two pairs in a row, each with its name.

    Args:
        title: in the first line.
        tiles: name and pictures; at least one.

    Returns:
        `[h, w, 3]` uint8 RGB.
    """
    height = max(pair.truth.shape[0] for _, pair in tiles) + LINE
    half = max(pair.truth.shape[1] for _, pair in tiles)
    columns = min(2, len(tiles))
    rows = -(-len(tiles) // columns)
    width = columns * (2 * half + 2 * MARGIN) + MARGIN
    picture = Image.new("RGB", (width, rows * (height + MARGIN) + LINE + MARGIN), GROUND)
    pen, font = ImageDraw.Draw(picture), letters.font()
    pen.text((MARGIN, 4), one_line(title), fill=INK, font=font)
    for place, (name, pair) in enumerate(tiles):
        left = MARGIN + place % columns * (2 * half + 2 * MARGIN)
        top = LINE + MARGIN + place // columns * (height + MARGIN)
        pen.text((left, top), one_line(name), fill=INK, font=font)
        picture.paste(Image.fromarray(pair.truth), (left, top + LINE))
        picture.paste(Image.fromarray(pair.found), (left + half + MARGIN // 2, top + LINE))
    return np.asarray(picture)
