"""Builds HTML from untrusted texts: what is not `Html` is escaped.

Class titles and file names come from users, so that every helper takes plain text and returns `Html`.
"""

import base64
import re
from collections.abc import Sequence
from html import escape

from mrcnn.errors import one_line

LONGEST = 1000  # letters of a text


class Html(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


def text(value: object) -> Html:
    """Escapes a value as HTML; `Html` stays as it is, control characters become visible, long text is shortened."""
    return value if isinstance(value, Html) else Html(escape(one_line(str(value), most=LONGEST)))


def prose(value: object) -> Html:
    """Escapes a sentence; what stands between backticks becomes `code`."""
    return Html(re.sub("`([^`]+)`", r"<code>\1</code>", text(value)))


def join(parts: Sequence[object], between: str = "") -> Html:
    """Joins parts, which are escaped where needed."""
    return Html(between.join(map(text, parts)))


def element(name: str, *parts: object, **attributes: object) -> Html:
    """Builds an element.

    Args:
        name: of the element.
        parts: its content.
        attributes: `class_` is `class`; an underscore elsewhere is a hyphen. None leaves an attribute out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{join(parts)}</{name}>")


def table(head: Sequence[object], rows: Sequence[Sequence[object]], *, caption: str) -> Html:
    """Builds a table that scrolls sideways where it is wide; numbers are cells of class `n`.

    Args:
        head: names of the columns.
        rows: the first cell of each is its header.
        caption: describes the table to a screen reader.
    """
    names = element("tr", *(element("th", name, scope="col") for name in head))
    body = [
        element("tr", element("th", row[0], scope="row"), *(_cell(value) for value in row[1:]))  # a row a line
        for row in rows
    ]
    found = element("table", element("thead", names), element("tbody", *body))
    return element("div", found, class_="wide", tabindex="0", role="region", aria_label=caption)


def picture(jpeg: bytes, *, alt: str) -> Html:
    """Builds an image element that holds its JPEG file."""
    data = base64.b64encode(jpeg).decode("ascii")
    return Html(f'<img alt="{text(alt)}" loading="lazy" src="data:image/jpeg;base64,{data}">')


def figure(jpeg: bytes | None, *, alt: str, notes: Sequence[object]) -> Html:
    """Builds a picture with a caption of several lines; without a picture the caption alone."""
    shown = [] if jpeg is None else [picture(jpeg, alt=alt)]
    return element("figure", *shown, element("figcaption", *(element("span", note) for note in notes)))


def listed(names: Sequence[object], *, most: int) -> Html:
    """Builds a list of names, the first ones alone where there are many."""
    rest = [f"… and {len(names) - most:,} more"] if len(names) > most else []
    return element("ul", *(element("li", name) for name in [*names[:most], *rest]), class_="names")


def _cell(value: object) -> Html:
    if isinstance(value, int):
        return element("td", f"{value:,}", class_="n")
    is_number = not isinstance(value, Html) and str(value)[:1].isdigit()
    return element("td", value, class_="n" if is_number else None)
