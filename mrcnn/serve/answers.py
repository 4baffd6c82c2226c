"""Responses that are sent in pieces, at the pace at which the client reads them.

A body sent in one piece stays in memory until the client has read it. A slow client may never do so, and the bodies of
many clients add up.
"""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PIECE = 2**18  # bytes
SECONDS, SLOWEST = 30.0, 200_000  # time limit for reading an answer: SECONDS + bytes / SLOWEST


class JSONAnswer(Response):
    """Response whose body is a complete JSON text."""

    media_type = "application/json"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the status, the headers and the body in pieces of `PIECE` bytes.

        Raises:
            ClientDisconnect: the client did not read the response within the time limit.
        """
        try:
            async with asyncio.timeout(SECONDS + len(self.body) / SLOWEST):
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                for start in range(0, len(self.body), PIECE):
                    piece = bytes(self.body[start : start + PIECE])
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError as error:
            raise ClientDisconnect from error
