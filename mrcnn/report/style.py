"""The page of the report around its content, with its style and its script.

The page loads nothing: its policy allows pictures inside it, its style and this one script alone, so that markup in
an untrusted text could do nothing even if it were not escaped.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from mrcnn.report.html import Html, element, join, prose, text

_FOLDER = Path(__file__).parent
STYLE, SCRIPT = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))


def page(title: str, *, about: str, contents: Sequence[tuple[str, str, Html]], top: Html) -> str:
    """Builds the whole file.

    Args:
        title: of the page.
        about: a line below it.
        contents: id, heading and content of each section.
        top: shown above the sections.
    """
    links = [element("li", element("a", heading, href=f"#{name}")) for name, heading, _ in contents]
    sections = [
        element("section", element("h2", heading, id=name), content, aria_labelledby=name)
        for name, heading, content in contents
    ]
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{_digest(STYLE)}'; script-src 'sha256-{_digest(SCRIPT)}'"
    )
    head = [
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{text(title)}</title>",
        f"<style>{STYLE}</style>",
    ]
    body = join(
        [
            element("header", element("h1", title), element("p", prose(about), class_="soft"),
                    element("nav", element("ul", *links), aria_label="Sections")),
            element("main", top, *sections),
        ]
    )  # fmt: skip
    parts = ["<!DOCTYPE html>", '<html lang="en"><head>', *head, "</head>", f"<body>{body}"]
    return "\n".join([*parts, f"<script>{SCRIPT}</script>", "</body></html>", ""])


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
