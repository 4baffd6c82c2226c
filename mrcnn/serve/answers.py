"""Answers that are sent piece by piece, as the client reads them.

An answer handed over whole lies in memory until the client has read it, which may be never, beside those of all others.
"""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PIECE = 2**18  # bytes
SECONDS, SLOWEST = 30.0, 200_000  # how long a client may take to read an answer, and besides for so many bytes a second


class JSONAnswer(Response):
    """A JSON text that is complete."""

    media_type = "application/json"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the answer.

        Raises:
            ClientDisconnect: the client did not read it in time.
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
