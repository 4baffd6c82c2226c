"""Splits images into training and validation sets by their tags.

Source: Supervisely Mask R-CNN plugin 5.16; only a tag's name counts, not its value.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mrcnn.errors import UserError
from mrcnn.project.annotation import Annotation
from mrcnn.structures import Sample


class Split(NamedTuple):
    """The images of each set.

    Attributes:
        train: indices of images with the training tag, increasing.
        val: indices of images with the validation tag, increasing.
        both: number of images in both sets.
        neither: number of images in neither set.
    """

    train: tuple[int, ...]
    val: tuple[int, ...]
    both: int
    neither: int


def split_items(annotations: Sequence[Annotation], *, train_tag: str, val_tag: str) -> Split:
    """Splits images by tags; an image with both tags is in both sets.

    Raises:
        UserError: a set is empty.
    """
    sets = [tuple(i for i, item in enumerate(annotations) if item.has_tag(tag)) for tag in (train_tag, val_tag)]
    for key, tag, chosen in zip(("train", "val"), (train_tag, val_tag), sets, strict=True):
        if not chosen:
            raise UserError(
                f"`dataset_tags.{key}`: none of the {len(annotations)} images has the tag {tag!r} "
                f"(tags there: {_tags_there(annotations)}); tag images, as `python -m mrcnn tag` does, or name "
                "another tag"
            )
    train, val = sets
    either = set(train) | set(val)
    return Split(train, val, both=len(set(train) & set(val)), neither=len(annotations) - len(either))


def require_objects(samples: Sequence[Sample], *, name: str, fix: str) -> None:
    """Checks that a set has an object of a class to learn.

    Args:
        samples: of the set.
        name: of the set, the start of the error message.
        fix: what helps, the end of the error message.

    Raises:
        UserError: the set has no object besides those of the background class and regions to ignore.
    """
    if all(ignore for sample in samples for ignore in sample.ignore):
        raise UserError(f"{name} have no object of a class to learn; {fix}")


def _tags_there(annotations: Sequence[Annotation]) -> str:
    names = sorted({tag.name for annotation in annotations for tag in annotation.tags})
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "") if names else "none"
