"""The service's own endpoints: health, readiness, metrics, the OpenAPI schema and two HTML pages.

One page draws the detections of an image, the other lists the endpoints. Neither loads anything from another server.
"""

import base64
import hashlib
import re
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from mrcnn.serve import metrics
from mrcnn.serve.handler import RequestHandler
from mrcnn.serve.metrics import Metrics

FOLDER = Path(__file__).with_name("pages")


def make_router(handler: RequestHandler, measured: Metrics) -> APIRouter:
    """Builds the router of the service's own endpoints.

    Args:
        handler: checks whether the model is ready.
        measured: the metrics of this process.
    """
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    async def try_out() -> Response:
        """Returns the page that draws the detections of a dropped image."""
        return _page("try.html")

    @router.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        """Returns the page that lists the endpoints of /openapi.json."""
        return _page("docs.html")

    @router.get("/openapi.json", include_in_schema=False)
    def schema(request: Request) -> JSONResponse:
        """Returns the OpenAPI schema of the endpoints."""
        return JSONResponse(request.app.openapi())

    @router.get("/health", tags=["Health"])
    async def health() -> dict[str, str]:
        """Liveness check: answers 200 while the process runs."""
        return {"status": "alive"}

    @router.get("/ready", tags=["Health"])
    async def ready() -> dict[str, str]:
        """Readiness check: answers 200 while the model accepts images, else 503."""
        handler.check_ready()
        return {"status": "ready"}

    @router.get("/metrics", tags=["Health"])
    def prometheus() -> Response:
        """Returns the metrics in the Prometheus text format."""
        return Response(measured.render(), media_type=metrics.CONTENT_TYPE)

    return router


def content_security_policy(page: str) -> str:
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
        "Content-Security-Policy": content_security_policy(text),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Response(text, media_type="text/html; charset=utf-8", headers=headers)
