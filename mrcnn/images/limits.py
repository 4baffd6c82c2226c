"""Limits the decoded size of files.

A few compressed bytes can expand to any number of pixels. Projects, conversion, training, inference and the service
share this rule. The decoded size is known from the header and is checked before any pixel is decoded.
"""

from mrcnn.errors import UserError

MEGABYTE = 2**20
DECODED = 2 * 2**30  # bytes of an image, and of all masks of an image: RGB of 26,000 x 26,000 pixels
BITMAP = 2**30  # bytes of one mask as its PNG is decoded: 16,384 x 16,384 pixels of four bytes


def check_decoded(size: int, *, what: str, most: int | None = None, key: str | None = None) -> None:
    """Checks a decoded size against the limit.

    Args:
        size: bytes when decoded.
        what: subject of the error message, for example "the image a.png".
        most: limit, bytes; None means `DECODED`.
        key: the setting that raises the limit, for the error message; None for no such setting.

    Raises:
        UserError: `size` is above `most`.
    """
    most = DECODED if most is None else most
    if size > most:
        fix = f"make it smaller, or raise `{key}`" if key else "make it smaller"
        raise UserError(
            f"{what} would take {-(-size // MEGABYTE)} MB when decoded, more than {most // MEGABYTE} MB; {fix}"
        )
