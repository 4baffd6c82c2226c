"""Stands around all endpoints: counts, logs, and turns what nobody expected into an answer instead of an end."""

import asyncio
import re
import time
import traceback
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mrcnn.events import EventLog
from mrcnn.serve import refusals
from mrcnn.serve.metrics import Metrics

QUIET = ("/health", "/ready", "/metrics", "/v2/health/live", "/v2/health/ready")  # asked every few seconds
CLIENT_LEFT = 499  # as other servers count it; nobody is there to read it
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
UNKNOWN = "unknown"  # a method or path that a client made up
LONGEST_ERROR = 200  # characters
_QUOTED = re.compile(r"""b?(["']).*?(\1|$)|[^ -~\s]+""", re.DOTALL)  # where a library's message may quote the data


class Watch:
    """ASGI middleware; the log gets a line per request: method, path, status, seconds, and never a body or a query."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, log: EventLog):
        """Stands around `app`."""
        self._app, self._metrics, self._log = app, metrics, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request; other events of the server pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else UNKNOWN
        if method == "HEAD":
            scope = {**scope, "method": "GET"}  # the same answer, of which the server sends no body
        began, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._metrics.in_progress.track_inprogress():
            try:
                await self._app(scope, receive, watched)
            except ClientDisconnect:
                status = CLIENT_LEFT
            except asyncio.CancelledError:  # the service stops and does not wait any longer
                if status:
                    raise
                await refusals.response("the service is stopping", status=503)(scope, receive, watched)
            except Exception as error:
                self._report(method, _template(scope), error)
                if status:
                    raise  # half an answer is sent: only a broken connection can say so
                failed = refusals.response(
                    f"the service failed at this request ({type(error).__name__}); its log says more", status=500
                )
                await failed(scope, receive, watched)
        self._count(method, _template(scope), status, time.perf_counter() - began)

    def _report(self, method: str, path: str, error: Exception) -> None:
        text = " ".join(_QUOTED.sub("'...'", str(error)).split())[:LONGEST_ERROR]
        self._log.error(f"{method} {path} failed: {type(error).__name__}: {text}; at {_place(error)}")

    def _count(self, method: str, path: str, status: int, seconds: float) -> None:
        self._metrics.requests.labels(path, str(status)).inc()
        self._metrics.seconds.labels(path).observe(seconds)
        if path not in QUIET or status >= 400:
            fields: dict[str, Any] = {"method": method, "path": path, "status": status, "seconds": round(seconds, 4)}
            self._log.emit(f"{method} {path} {status} in {seconds:.3f} s", **fields)


def _template(scope: Scope) -> str:
    """Gives the path as the endpoint declares it: a client must not invent names for counters and logs."""
    return getattr(scope.get("route"), "path", UNKNOWN)


def _place(error: Exception) -> str:
    """Says where an error came up, for whoever mends it."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return f"{Path(last.filename).name}:{last.lineno}"
