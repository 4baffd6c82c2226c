"""The pages for people: a picture's objects drawn in the browser, and the list of endpoints. None needs a network."""

from pathlib import Path

from fastapi import APIRouter, Response

FOLDER = Path(__file__).with_name("pages")
# all that a page runs or shows is in the page itself or a picture that the person chose
_POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


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


def _page(name: str) -> Response:
    return Response((FOLDER / name).read_bytes(), media_type="text/html; charset=utf-8", headers=_HEADERS)
