"""The pages for people: a picture's objects drawn in the browser, and the list of endpoints. None needs a network."""

import base64
import hashlib
import re
from pathlib import Path

from fastapi import APIRouter, Response

FOLDER = Path(__file__).with_name("pages")


def make_router() -> APIRouter:
    """Makes the endpoints of the pages."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def try_out() -> Response:
        """Lets a person drop a picture and see its objects."""
        return _page("try.html")

    @router.get("/docs")
    async def docs() -> Response:
        """Lists the endpoints of /openapi.json."""
        return _page("docs.html")

    return router


def policy(page: str) -> str:
    """Writes what a page may do: run the one script and use the one style that are in it, and ask its own server."""
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
