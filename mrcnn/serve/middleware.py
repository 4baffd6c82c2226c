"""ASGI middleware: counts and logs requests, answers unexpected exceptions with 500."""

import asyncio
import re
import time
import traceback
from http import HTTPMethod
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mrcnn.events import EventLog
from mrcnn.serve import responses
from mrcnn.serve.metrics import Metrics

QUIET = ("/health", "/ready", "/metrics", "/v2/health/live", "/v2/health/ready")  # requested every few seconds
CLIENT_LEFT = 499  # nginx's status for a client that disconnected; it is counted, never sent
UNKNOWN = "unknown"  # a method or path that a client made up
LONGEST_ERROR = 200  # characters
_QUOTED = re.compile(
    r"""b?(["']).*?(\1|$)|[^ -~\s]+""", re.DOTALL
)  # parts of a library's message that may quote the request


class Monitoring:
    """Counts each request, logs it in one line and answers unexpected exceptions with 500.

    The line holds method, path template, status and seconds, never a body or a query. Successful requests to `QUIET`
    paths are not logged.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, log: EventLog):
        """Wraps an app.

        Args:
            app: the ASGI app.
            metrics: receives the counts and durations.
            log: receives one line per request and the unexpected exceptions.
        """
        self._app, self._metrics, self._log = app, metrics, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles an HTTP request; other events, such as lifespan, go to the app unchanged."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in HTTPMethod.__members__ else UNKNOWN
        if method == "HEAD":
            scope = {**scope, "method": "GET"}  # same response; the server omits the body
        began, status = time.perf_counter(), 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._metrics.in_progress.track_inprogress():
            try:
                await self._app(scope, receive, observed)
            except ClientDisconnect:
                status = CLIENT_LEFT
            except asyncio.CancelledError:  # the time for graceful shutdown is over
                if status:
                    raise
                await responses.error_response("the service is stopping", status=503)(scope, receive, observed)
            except Exception as error:
                self._report(method, _template(scope), error)
                if status:
                    raise  # part of the response is sent; only a closed connection can signal the error
                failed = responses.error_response(
                    f"the service failed at this request ({type(error).__name__}); its log says more", status=500
                )
                await failed(scope, receive, observed)
        self._count(method, _template(scope), status=status, seconds=time.perf_counter() - began)

    def _report(self, method: str, path: str, error: Exception) -> None:
        text = " ".join(_QUOTED.sub("'...'", str(error)).split())[:LONGEST_ERROR]
        self._log.error(f"{method} {path} failed: {type(error).__name__}: {text}; at {_place(error)}")

    def _count(self, method: str, path: str, *, status: int, seconds: float) -> None:
        self._metrics.requests.labels(path, str(status)).inc()
        self._metrics.seconds.labels(path).observe(seconds)
        if path not in QUIET or status >= 400:
            fields: dict[str, Any] = {"method": method, "path": path, "status": status, "seconds": round(seconds, 4)}
            self._log.emit(f"{method} {path} {status} in {seconds:.3f} s", **fields)


def _template(scope: Scope) -> str:
    """Returns the endpoint's path template, such as `/v2/models/{name}`, or `UNKNOWN` without an endpoint.

    Metrics and logs use it so that a client cannot create new labels.
    """
    return getattr(scope.get("route"), "path", UNKNOWN)


def _place(error: Exception) -> str:
    """Returns the file name and line where an exception was raised."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return f"{Path(last.filename).name}:{last.lineno}"
