"""Serves two HTML pages: one draws the detections of an image, one lists the endpoints.

Neither page loads anything from another server.
"""

import base64
import hashlib
import re
from pathlib import Path

from fastapi import APIRouter, Response

FOLDER = Path(__file__).with_name("pages")


def make_router() -> APIRouter:
    """Builds the router of the HTML pages."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def try_out() -> Response:
        """Returns the page that draws the detections of a dropped image."""
        return _page("try.html")

    @router.get("/docs")
    async def docs() -> Response:
        """Returns the page that lists the endpoints of /openapi.json."""
        return _page("docs.html")

    return router


def policy(page: str) -> str:
    """Builds the Content-Security-Policy of a page.

    The page may run its one inline script, use its one inline style and send requests to its own server. Images may
    come from that server, blobs and data URLs; all else is blocked.

    Args:
        page: the HTML, with exactly one `<script>` and one `<style>` element.
    """
    script, style = (_hash(page, tag) for tag in ("script", "style"))
    return (
        f"default-src 'none'; connect-src 'self'; script-src {script}; style-src {style}; "
        "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hash(page: str, tag: str) -> str:
    (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _page(name: str) -> Response:
    text = (FOLDER / name).read_text(encoding="utf-8")
    headers = {
        "Content-Security-Policy": policy(text),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Response(text, media_type="text/html; charset=utf-8", headers=headers)
