"""The error types for users; their message is one short line, safe on a terminal."""

import re
import unicodedata
from collections.abc import Iterator

LONGEST = 500  # characters of a message
MOST_REASON = 200  # characters kept of the text of an out-of-memory error
UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})  # Unicode categories: controls, lone surrogates, line and paragraph ends
DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # reorder what follows

# classes of errors by name, so that TensorFlow need not be imported: Python's, and TensorFlow's for a full device
MEMORY_ERRORS = {"MemoryError", "ResourceExhaustedError"}
# errors of TensorFlow, JAX and PyTorch that may carry one of the texts below; PyTorch has no own one for a CPU
OTHER_CARRIERS = {"OpError", "XlaRuntimeError", "JaxRuntimeError", "OutOfMemoryError", "RuntimeError"}
_FULL_TEXTS = re.compile(
    r"OOM when allocating|out of memory|CUDA_ERROR_OUT_OF_MEMORY|(CUDNN|CUBLAS|CUSOLVER)_STATUS_ALLOC_FAILED"
    r"|DefaultCPUAllocator: can't allocate memory",
    re.I,
)
_OTHER_RESOURCES = re.compile(r"No space left on device|Too many open files|quota", re.I)


class UserError(ValueError):
    """An error that the user can correct, with a message of one line.

    The message names the subject, the expectation, the value found and the fix.
    """

    def __init__(self, message: str):
        """Stores `message` in the form of `one_line`."""
        super().__init__(one_line(message))


class OutOfMemory(MemoryError):
    """Too little memory; the message is one line that names the batch and what to lower."""

    def __init__(self, message: str):
        """Stores `message` in the form of `one_line`."""
        super().__init__(one_line(message))


def is_out_of_memory(error: BaseException) -> bool:
    """Checks whether an error, or an error that it was raised from, means too little memory.

    Libraries below TensorFlow report a full GPU by errors of several types, so their texts count too. A full disk,
    which TensorFlow reports by the type of a full device, does not count.
    """
    return any(map(_means_full, _chain(error)))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _means_full(error: BaseException) -> bool:
    names, text = {kind.__name__ for kind in type(error).__mro__}, str(error)
    if names & MEMORY_ERRORS:
        return not _OTHER_RESOURCES.search(text)
    return bool(names & OTHER_CARRIERS and _FULL_TEXTS.search(text))


def with_advice(error: Exception) -> Exception:
    """Replaces an out-of-memory error by one with advice; returns any other error unchanged."""
    if isinstance(error, UserError) or not is_out_of_memory(error):
        return error
    text = str(error)
    if not isinstance(error, OutOfMemory):
        reason = one_line(text, most=MOST_REASON) or type(error).__name__
        text = (
            f"out of memory ({reason}): use smaller batches, a smaller `input_size`, or a device with more memory; "
            "--debug shows where"
        )
    advised = UserError(text)
    advised.__cause__ = error
    return advised


def one_line(text: str, *, most: int = LONGEST) -> str:
    r"""Joins lines, escapes control characters (`\x1b`) and shortens long text in the middle.

    Class titles and file names are untrusted: on a terminal a control character moves the cursor or changes colours.

    Args:
        text: any.
        most: maximum length of the result, characters.
    """
    joined = " ".join(text.splitlines())
    if len(joined) > 4 * most:  # before the slow part: a text may have millions of characters
        joined = joined[: 2 * most] + joined[-2 * most :]
    safe = "".join(_escaped(letter) if _is_unsafe(letter) else letter for letter in joined)
    if len(safe) <= most:
        return safe
    end = most // 3
    return f"{safe[: most - end - 3]} … {safe[-end:]}"


def counted(number: int, noun: str) -> str:
    """Formats a number with its noun, whose plural ends in s: `1 image`, `2 images`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def printable(text: str) -> str:
    """Escapes control characters in a text of several lines, without shortening it."""
    return "\n".join(one_line(line, most=len(line) * 10) for line in text.split("\n"))


def _is_unsafe(letter: str) -> bool:
    return letter in DIRECTIONS or unicodedata.category(letter) in UNSAFE


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", errors="backslashreplace").decode("ascii")


def shortened(name: str, *, most: int) -> str:
    """Replaces the middle of a name that is longer than `most` characters by an ellipsis."""
    if len(name) <= most:
        return name
    tail = (most - 1) // 3
    return f"{name[: most - 1 - tail]}…{name[len(name) - tail :]}"
