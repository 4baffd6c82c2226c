"""The error meant for a user, and the form of its text: one line, short, safe on a terminal."""

import unicodedata

LONGEST = 500  # characters of a message
UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})  # Unicode categories: controls, lone surrogates, line and paragraph ends
DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # reorder what follows


class UserError(ValueError):
    """Says what the user can put right in ONE line: the subject, what was expected, what was found, the fix."""

    def __init__(self, message: str):
        """Brings `message` into the form of `one_line`."""
        super().__init__(one_line(message))


def one_line(text: str, *, most: int = LONGEST) -> str:
    r"""Joins lines, writes control characters as escapes (`\x1b`), and cuts the middle out of a long text.

    Titles and file names come from strangers: on a terminal a control character moves the cursor or changes colours.

    Args:
        text: any.
        most: characters of the result.
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
    """Writes a number with its noun, whose plural ends in s: `1 image`, `2 images`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def printable(text: str) -> str:
    """Writes control characters of a text of several lines as escapes, and cuts nothing."""
    return "\n".join(one_line(line, most=len(line) * 10) for line in text.split("\n"))


def _is_unsafe(letter: str) -> bool:
    return letter in DIRECTIONS or unicodedata.category(letter) in UNSAFE


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", errors="backslashreplace").decode("ascii")
