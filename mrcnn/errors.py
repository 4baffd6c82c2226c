"""The error type for users; its message is one short line, safe on a terminal."""

import unicodedata

LONGEST = 500  # characters of a message
UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})  # Unicode categories: controls, lone surrogates, line and paragraph ends
DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # reorder what follows


class UserError(ValueError):
    """An error that the user can correct, with a message of one line.

    The message names the subject, the expectation, the value found and the fix.
    """

    def __init__(self, message: str):
        """Stores `message` in the form of `one_line`."""
        super().__init__(one_line(message))


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
