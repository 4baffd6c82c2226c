"""Puts a page, its style and its scripts into one HTML document, and builds the policy that lets only these run.

A page names its parts as any HTML file does, by `<script src="view.js"></script>` and
`<link rel="stylesheet" href="try.css">`; they are files of the folder `pages`. The document holds their texts, so a
browser loads the page by one request, and the policy needs no origin that scripts may come from.
"""

import base64
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).with_name("pages")
_PART = re.compile(r'<script src="(?P<script>[\w.]+)"></script>|<link rel="stylesheet" href="(?P<style>[\w.]+)">')


class Page(NamedTuple):
    """A page to send.

    Attributes:
        text: the HTML.
        policy: its Content-Security-Policy.
    """

    text: str
    policy: str


def load(name: str, *, folder: Path = FOLDER) -> Page:
    """Reads a page and its parts.

    Args:
        name: file name of the page.
        folder: where the page and its parts are.
    """
    text = assemble((folder / name).read_text(encoding="utf-8"), folder)
    return Page(text, content_security_policy(text))


def assemble(page: str, folder: Path) -> str:
    """Replaces the elements that name a file of the folder by elements that hold its text.

    Args:
        page: the HTML.
        folder: where the files are.

    Returns:
        The HTML without references to files; unchanged if it has none.
    """

    def inline(found: re.Match[str]) -> str:
        tag = "script" if found["script"] else "style"
        content = (folder / (found["script"] or found["style"])).read_text(encoding="utf-8")
        return f"<{tag}>\n{content}</{tag}>"

    return _PART.sub(inline, page)


def content_security_policy(page: str) -> str:
    """Builds the Content-Security-Policy of a page.

    The page may run its own inline scripts, use its own inline styles and send requests to its own server. Images may
    come from that server, blobs and data URLs; all else is blocked.

    Args:
        page: the HTML, with at least one `<script>` and one `<style>` element.
    """
    scripts, styles = (_hashes(page, tag) for tag in ("script", "style"))
    return (
        f"default-src 'none'; connect-src 'self'; script-src {scripts}; style-src {styles}; "
        "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hashes(page: str, tag: str) -> str:
    contents = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digests = (hashlib.sha256(content.encode()).digest() for content in contents)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
