"""Hides the notes that libjpeg and libpng write about broken images to C's `stderr`, where no setting of theirs can.

Whoever reads the image names the file; the notes name none. All other text goes where it went before. Works with the
GNU C library; elsewhere nothing is changed.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator

NOTES = (
    b"libpng ",
    b"Bogus ",
    b"Corrupt JPEG data",
    b"Inconsistent progression",
    b"Invalid JPEG",
    b"Invalid SOS",
    b"Not a JPEG file",
    b"Premature end of JPEG",
    b"Unsupported JPEG",
    b"Warning: unknown JFIF",
)
STDERR = 2  # the file descriptor

_Write = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class _Functions(ctypes.Structure):
    """`cookie_io_functions_t` of fopencookie(3); those that are null are not used."""

    _fields_ = (("read", ctypes.c_void_p), ("write", _Write), ("seek", ctypes.c_void_p), ("close", ctypes.c_void_p))


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Within it, C's `stderr` leaves the notes out; Python's `sys.stderr` does not pass through it."""
    library = ctypes.CDLL(None) if os.name == "posix" else None
    if library is None or not hasattr(library, "fopencookie") or not hasattr(library, "stderr"):
        yield
        return
    library.fopencookie.restype = ctypes.c_void_p
    library.fopencookie.argtypes = (ctypes.c_void_p, ctypes.c_char_p, _Functions)
    library.setvbuf.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    write = _Write(_Filter().write)
    stream = library.fopencookie(None, b"w", _Functions(None, write, None, None))
    if not stream:
        yield
        return
    library.setvbuf(stream, None, 2, 0)  # unbuffered, as stderr is
    place = ctypes.c_void_p.in_dll(library, "stderr")
    before, place.value = place.value, stream
    try:
        yield
    finally:
        place.value = before  # before Python, which filters, is gone


class _Filter:
    """Passes on what is no note; a line's end that libpng writes by itself goes with its note."""

    def __init__(self):
        self._after_note = False

    def write(self, cookie: int | None, text: int, size: int) -> int:
        """Writes to the file descriptor; called by C, from any thread."""
        part = ctypes.string_at(text, size)
        is_note = part.startswith(NOTES) or (self._after_note and part == b"\n")
        self._after_note = is_note and not part.endswith(b"\n")
        if not is_note:
            with contextlib.suppress(OSError):
                os.write(STDERR, part)
        return size
