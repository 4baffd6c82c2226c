"""The service's own endpoints: health, readiness, limits, metrics, the OpenAPI schema and two HTML pages.

One page draws the detections of images, the other lists the endpoints. Neither loads anything from another server.
"""

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from mrcnn.serve import metrics, page
from mrcnn.serve.handler import RequestHandler
from mrcnn.serve.metrics import Metrics


def make_router(handler: RequestHandler, measured: Metrics) -> APIRouter:
    """Builds the router of the service's own endpoints.

    Args:
        handler: checks whether the model is ready; has the limits.
        measured: the metrics of this process.
    """
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    async def try_out() -> Response:
        """Returns the page that draws the detections of dropped images."""
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

    @router.get("/limits", tags=["Health"])
    async def limits() -> dict[str, float | int]:
        """Returns the lowest score of an object, and the most pixels of an image and bytes of a request."""
        return {
            "score_threshold": handler.score_threshold,
            "max_pixels": handler.max_pixels,
            "max_body_bytes": handler.max_body_bytes,
        }

    @router.get("/metrics", tags=["Health"])
    def prometheus() -> Response:
        """Returns the metrics in the Prometheus text format."""
        return Response(measured.render(), media_type=metrics.CONTENT_TYPE)

    return router


def _page(name: str) -> Response:
    text, policy = page.load(name)
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Response(text, media_type="text/html; charset=utf-8", headers=headers)
