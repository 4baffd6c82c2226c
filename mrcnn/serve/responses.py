"""Error responses in JSON, and JSON responses sent at the client's pace.

The body of an error response is `{"error": "one line"}`.
"""

import asyncio
import json

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mrcnn.errors import UserError

LONGEST = 500  # characters of an error, which may quote values from the request
CHUNK = 2**18  # bytes
SECONDS, SLOWEST = 30.0, 200_000  # time limit for reading a response: SECONDS + bytes / SLOWEST


class RequestError(UserError):
    """Error of a refused request; its message names the problem and the fix."""

    def __init__(self, message: str, *, status: int = 400, retry_after: int | None = None):
        """Stores the message, the status and the time to retry.

        Args:
            message: one line for the client.
            status: HTTP status code.
            retry_after: seconds after which a retry may succeed; None where it would not.
        """
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


class JSONTextResponse(Response):
    """Response whose body is a complete JSON text, sent in chunks.

    A body sent at once stays in memory until the client has read it. A slow client may never do so, and the bodies of
    many clients add up.
    """

    media_type = "application/json"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the status, the headers and the body in chunks of `CHUNK` bytes.

        Raises:
            ClientDisconnect: the client did not read the response within the time limit.
        """
        try:
            async with asyncio.timeout(SECONDS + len(self.body) / SLOWEST):
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                for start in range(0, len(self.body), CHUNK):
                    chunk = bytes(self.body[start : start + CHUNK])
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError as error:
            raise ClientDisconnect from error


def from_error(error: UserError) -> Response:
    """Builds the error response; an error without a status of its own is a 400."""
    retry_after = getattr(error, "retry_after", None)
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return error_response(str(error), status=getattr(error, "status", 400), headers=headers)


def error_response(message: str, *, status: int, headers: dict[str, str] | None = None) -> Response:
    """Builds an error response; a message over `LONGEST` characters is shortened."""
    text = message if len(message) <= LONGEST else message[: LONGEST - 3] + "..."
    return Response(json.dumps({"error": text}), status_code=status, headers=headers, media_type="application/json")
