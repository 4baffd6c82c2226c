"""Sliding windows that cover an image.

Source: Supervisely SDK, sliding windows. A window larger than the image is cut to the image.
"""

from collections.abc import Iterator

from mrcnn.errors import UserError

MOST = 10_000  # windows of one image; more would take hours, and one request must not block a service
Box = tuple[int, int, int, int]  # yxyx pixels of the image, exclusive ends


def cover(size: tuple[int, int], window: tuple[int, int], min_overlap: tuple[int, int]) -> Iterator[Box]:
    """Yields windows of equal size that cover an image, row by row.

    Args:
        size: height and width of the image, pixels.
        window: height and width of a window, pixels; cut to the image's.
        min_overlap: rows and columns that neighbouring windows share at least, smaller than the window. The last
            window of a row or column ends at the image's border and may share more.

    Raises:
        UserError: there would be more than `MOST` windows.
    """
    (height, width), (rows, columns) = size, (min(side, most) for side, most in zip(window, size, strict=True))
    tops, lefts = starts(height, rows, window[0] - min_overlap[0]), starts(width, columns, window[1] - min_overlap[1])
    if len(tops) * len(lefts) > MOST:
        raise UserError(
            f"`mode.window` and `mode.min_overlap` cut an image of {width}x{height} into {len(tops) * len(lefts)} "
            f"windows, more than {MOST}; use larger windows or less overlap"
        )
    yield from ((top, left, top + rows, left + columns) for top in tops for left in lefts)


def starts(length: int, side: int, step: int) -> list[int]:
    """Computes the start positions of windows along one axis.

    Args:
        length: length of the axis, pixels.
        side: length of a window, pixels.
        step: distance of neighbouring starts, pixels.

    Returns:
        The starts, ascending; the last window ends at `length`.

    Raises:
        ValueError: the step is below 1.
    """
    if step < 1:
        raise ValueError(f"windows must be at least a pixel apart, got {step}; the overlap must be below the window")
    last = length - side
    return [*range(0, last, step), last]
