"""Assigns class indices to the classes of a project or another source.

Source: Supervisely Mask R-CNN plugin 5.16; saved models depend on this order.
"""

from collections.abc import Iterable, Mapping, Sequence

from mrcnn.errors import UserError

BACKGROUND_IDX = 0


def class_mapping(
    titles: Iterable[str], background: str, neutral: str | None = None, *, place: str = "the project's meta.json"
) -> dict[str, int]:
    """Assigns index 0 to the background and 1, 2, 3… to the sorted other classes.

    Args:
        titles: all classes of the project, used or not, of any shape.
        background: title of the class with index 0; need not be in the project.
        neutral: title of the class whose objects are ignored; it gets no index.
        place: of the titles, for the error message.

    Returns:
        title -> index, in index order. Titles are sorted by code points: "Zebra" before "apple".

    Raises:
        UserError: no class is left to learn.
    """
    others = sorted(set(titles) - {background, neutral})
    if not others:
        raise UserError(
            f"{place} has no class to learn besides the background {background!r}"
            + (f" and the neutral {neutral!r}" if neutral else "")
            + "; add classes there or change `special_classes`"
        )
    return {background: BACKGROUND_IDX} | {title: index for index, title in enumerate(others, start=1)}


def reuse_mapping(
    saved: Mapping[str, int],
    titles: Iterable[str],
    *,
    background: str,
    neutral: str | None = None,
    kind: str = "project",
) -> dict[str, int]:
    """Checks that a trained model has the classes of the data, and reuses its class indices.

    Args:
        saved: `class_title_to_idx` of the trained model.
        titles: all classes of the data.
        background: title of the class with index 0.
        neutral: title of the class whose objects are ignored.
        kind: of the data, for the error message.

    Returns:
        title -> index, in index order.

    Raises:
        UserError: the two sets of classes differ, the background is not 0, or the indices are not 0, 1, 2….
    """
    wanted = (set(titles) | {background}) - {neutral}
    if wanted != set(saved):
        missing, extra = sorted(wanted - set(saved)), sorted(set(saved) - wanted)
        raise UserError(
            f"`weights_init_type` continue_training needs the model's classes to be the {kind}'s: "
            f"only the {kind} has {missing}, only the model has {extra}; use transfer_learning"
        )
    if saved[background] != BACKGROUND_IDX:
        raise UserError(
            f"`special_classes.background` {background!r} must be class {BACKGROUND_IDX} of the model, "
            f"got {saved[background]}; name the model's own background class"
        )
    if sorted(saved.values()) != list(range(len(saved))):
        raise UserError(f"the model's `class_title_to_idx` must number its classes 0, 1, 2…, got {dict(saved)}")
    return dict(sorted(saved.items(), key=lambda item: item[1]))


def stuff_numbers(stuff: Sequence[str]) -> dict[str, int] | None:
    """Numbers the stuff classes from 1, in their order; None where there are none."""
    return {title: number for number, title in enumerate(stuff, start=1)} or None


def num_classes(mapping: Mapping[str, int]) -> int:
    """Counts the classes of the network, including the background: the largest index plus one."""
    return max(mapping.values()) + 1
