"""Windows that cover an image in rows. Source: Supervisely SDK, sliding windows; larger ones than the image are cut."""

from collections.abc import Iterator

from mrcnn.errors import UserError

MOST = 10_000  # windows of one image; more would not end before night, and a request must not stop a service
Box = tuple[int, int, int, int]  # yxyx pixels of the image, exclusive ends


def cover(size: tuple[int, int], window: tuple[int, int], min_overlap: tuple[int, int]) -> Iterator[Box]:
    """Yields windows of one size, row by row, which together cover an image.

    Args:
        size: height and width of the image.
        window: height and width of a window; cut to the image's.
        min_overlap: rows and columns that neighbours share at least, below the window's; the last of a row or column
            lies at the image's end and may share more.

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
    """Gives where windows of that side begin along a length, a step apart; the last ends where the length does.

    Raises:
        ValueError: the step is below 1.
    """
    if step < 1:
        raise ValueError(f"windows must be at least a pixel apart, got {step}; the overlap must be below the window")
    last = length - side
    return [*range(0, last, step), last]
