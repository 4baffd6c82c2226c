"""Hides the messages that libjpeg and libpng write to C's `stderr` about broken images.

No setting of the libraries turns the messages off. They name no file; this project's own errors about a broken image
do. All other text is passed through. The filter works with the GNU C library and does nothing elsewhere.
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

_replaced: list[int | None] = []  # the streams that `hidden` replaced in this process, C's own first

_Write = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class _Functions(ctypes.Structure):
    """The C struct `cookie_io_functions_t` of fopencookie(3); a null function is not used."""

    _fields_ = (("read", ctypes.c_void_p), ("write", _Write), ("seek", ctypes.c_void_p), ("close", ctypes.c_void_p))


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Filters the messages out of C's `stderr` inside the block.

    Python's `sys.stderr` does not write through C's `stderr` and is not filtered.
    """
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
    library.setvbuf(stream, None, 2, 0)  # unbuffered, like stderr
    place = ctypes.c_void_p.in_dll(library, "stderr")
    before, place.value = place.value, stream
    _replaced.append(before)
    try:
        yield
    finally:
        place.value = before  # must precede Python's shutdown, since the filter is a Python function
        _replaced.pop()


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Restores C's own `stderr` inside the block, in which `hidden` hides nothing.

    The filter is a Python function, so a thread of a library that writes to C's `stderr` waits for Python's lock. If
    the library keeps that lock and waits for the thread, as TensorFlow's converter to LiteRT does, neither ever ends.
    """
    if not _replaced:
        yield
        return
    place = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr")
    filtered, place.value = place.value, _replaced[0]
    try:
        yield
    finally:
        place.value = filtered


class _Filter:
    """Passes on all text but the libraries' messages.

    libpng writes the newline of a message separately; it is dropped too.
    """

    def __init__(self):
        self._after_note = False

    def write(self, cookie: int | None, text: int, size: int) -> int:
        """Writes a text to the file descriptor unless it is a library's message.

        C calls it, from any thread.

        Args:
            cookie: unused.
            text: address of the text.
            size: its length in bytes.

        Returns:
            `size`, as for a complete write.
        """
        part = ctypes.string_at(text, size)
        is_note = part.startswith(NOTES) or (self._after_note and part == b"\n")
        self._after_note = is_note and not part.endswith(b"\n")
        if not is_note:
            with contextlib.suppress(OSError):
                os.write(STDERR, part)
        return size
