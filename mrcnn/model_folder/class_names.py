"""Class names for a weight file without model folder, and the classes of one.

Source of `COCO_NAMES`: the 80 categories of COCO's instance annotations, in the order of their ids; of `COCO_STUFF`:
the 53 categories of its panoptic annotations that are no things, in the order of their ids.
"""

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mrcnn import files
from mrcnn.config import errors
from mrcnn.errors import UserError
from mrcnn.project.meta import ClassMeta, check_encodable

MOST_BYTES = 2**26  # largest size of a file of class names
COCO = "coco"
COCO_NAMES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich",
    "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed",
    "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven",
    "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
COCO_STUFF = (
    "banner", "blanket", "bridge", "cardboard", "counter", "curtain", "door-stuff", "floor-wood", "flower", "fruit",
    "gravel", "house", "light", "mirror-stuff", "net", "pillow", "platform", "playingfield", "railroad", "river",
    "road", "roof", "sand", "sea", "shelf", "snow", "stairs", "tent", "towel", "wall-brick", "wall-stone", "wall-tile",
    "wall-wood", "water-other", "window-blind", "window-other", "tree-merged", "fence-merged", "ceiling-merged",
    "sky-other-merged", "cabinet-merged", "table-merged", "floor-other-merged", "pavement-merged", "mountain-merged",
    "grass-merged", "dirt-merged", "paper-merged", "food-other-merged", "building-other-merged", "rock-merged",
    "wall-other-merged", "rug-merged",
)  # fmt: skip
BACKGROUND = "bg"
BACKGROUNDS = ("bg", "background", "__background__")  # lower-case names that mark a list's first class as background

Classes = str | Path | Sequence[str]


def stuff_names(count: int) -> tuple[str, ...]:
    """Names stuff classes without known names: as many as COCO has are COCO's; others are numbered from 1."""
    return COCO_STUFF if count == len(COCO_STUFF) else tuple(f"stuff {number}" for number in range(1, count + 1))


def read_names(classes: Classes) -> tuple[str, ...]:
    """Reads the class names that a user gives as a list, text or file.

    Args:
        classes: a sequence of names; or, as on the command line, `coco`, the path of a JSON file with a list of names,
            or the names separated by commas.

    Returns:
        The names in the order given.

    Raises:
        UserError: the file does not exist or holds something else, there is no name, or a name is empty, cannot be
            encoded or occurs twice.
    """
    if isinstance(classes, (str, Path)):
        names = _from_text(str(classes))
    else:
        names = list(classes)
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise UserError(f"the class names must be a list of texts that are not empty, got {errors.shown(names)}")
    for name in names:
        check_encodable(name, what="class name")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"the class names must differ, got {errors.shown(twice[0])} more than once")
    return tuple(names)


def number_names(names: Sequence[str], *, num_classes: int, source: str | Path) -> tuple[str, ...]:
    """Matches class names with the class ids of a weight file.

    Args:
        names: class names in the order of their ids; the background may come first or be left out.
        num_classes: number of classes of the file, with background.
        source: name of the file in messages.

    Returns:
        The name of each class id, the background first.

    Raises:
        UserError: the number of names differs from the number of classes, or the background is not first.
    """
    if len(names) == num_classes and names[0].lower() in BACKGROUNDS:
        return tuple(names)
    if len(names) != num_classes - 1:
        raise UserError(
            f"{len(names)} class names are given, but {source} has {num_classes - 1} classes besides the background: "
            "give one name for each, in the order of their numbers"
        )
    if BACKGROUND in names:
        raise UserError(f"the class name {BACKGROUND!r} is that of the background, which comes first or is left out")
    return (BACKGROUND, *names)


def _from_text(text: str) -> list[str]:
    if text == COCO:
        return list(COCO_NAMES)
    path = Path(text)
    if path.suffix.lower() != ".json":
        return [name.strip() for name in text.split(",")]
    try:
        if not os.path.lexists(path):
            raise UserError(f"the file of class names {path} does not exist")
        names = json.loads(files.read_bytes(path, what="file of class names", most=MOST_BYTES).decode("utf-8-sig"))
    except UserError:
        raise
    except (ValueError, RecursionError) as error:
        raise UserError(f"the file of class names {path} cannot be read as JSON: {error}") from error
    if not isinstance(names, list):
        raise UserError(f'{path} must hold a list of class names like ["cat", "dog"], got {errors.shown(names)}')
    return names


def metas(classes: Any, names: tuple[str, ...]) -> tuple[ClassMeta, ...]:
    """Builds a bitmap class for each name except the background.

    Args:
        classes: the folder's `classes`, whose order and colours are kept.
        names: by class id, the background first; those that `classes` lacks come last.

    Raises:
        UserError: `classes` is no list, or is malformed.
    """
    if not isinstance(classes, list):
        raise UserError(f"`classes` must be a list, got {errors.shown(classes)}")
    listed = {item.title: item for item in map(ClassMeta.from_json, classes)}
    order = [title for title in listed if title in names[1:]] + [name for name in names[1:] if name not in listed]
    return tuple(ClassMeta(title, "bitmap", listed[title].color if title in listed else "") for title in order)
