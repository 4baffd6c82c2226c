"""How large the content of a file may become: a few bytes can stand for any number of pixels.

One rule for projects, conversion, training, inference and the service: decoded bytes, known from the header, before a
pixel is decoded.
"""

from mrcnn.errors import UserError

MEGABYTE = 2**20
DECODED = 2 * 2**30  # bytes of an image, and of all masks of an image: RGB of 26,000 x 26,000 pixels
BITMAP = 2**30  # bytes of one mask as its PNG is decoded: 16,384 x 16,384 pixels of four bytes


def check_decoded(size: int, *, what: str, most: int | None = None, key: str | None = None) -> None:
    """Refuses what would become too large.

    Args:
        size: bytes when decoded.
        what: the subject of the error, for example "the image a.png".
        most: bytes; None means `DECODED`.
        key: of the config that raises the limit.

    Raises:
        UserError: `size` is above `most`.
    """
    most = DECODED if most is None else most
    if size > most:
        fix = f"make it smaller, or raise `{key}`" if key else "make it smaller"
        raise UserError(
            f"{what} would take {-(-size // MEGABYTE)} MB when decoded, more than {most // MEGABYTE} MB; {fix}"
        )
