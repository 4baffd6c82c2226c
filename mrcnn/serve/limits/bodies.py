"""Reads a request's body into named parts, within limits of bytes and seconds.

A body is a form with fields and files, a JSON text or the bytes of one image; the endpoints get `Body` for all three.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from mrcnn.serve.responses import RequestError

MOST_PARTS = 32
MOST_URLENCODED = 2**20  # bytes; decoding needs 80 times as many
MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass(frozen=True)
class Body:
    """The unparsed parts of a request's body.

    Attributes:
        fields: bytes of the form's files and text fields, by name; a body that is an image is the field `image`.
        document: the whole body if its Content-Type is JSON, else None.
    """

    fields: Mapping[str, bytes] = field(default_factory=dict)
    document: bytes | None = None


async def read_body(request: Request, *, max_bytes: int, seconds: float) -> Body:
    """Reads a body of any supported Content-Type: form, JSON or image.

    Args:
        request: its body has not been read yet.
        max_bytes: largest accepted body.
        seconds: time limit for the whole body to arrive.

    Returns:
        The parts; an empty body has none.

    Raises:
        RequestError: the body is too large (413), too slow (408), of another type (415), or a malformed form (400).
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == MULTIPART:
        return await _read_multipart(request, max_bytes=max_bytes, seconds=seconds)
    body = await read_bytes(request, max_bytes=max_bytes, seconds=seconds)
    if kind == URLENCODED:
        return _read_urlencoded(body)
    if kind == JSON:
        return Body(document=body)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return Body({"image": body})
    if body:
        raise RequestError(
            f"the Content-Type must be {MULTIPART}, {JSON} or image/..., got {kind[:80] or 'none'}", status=415
        )
    return Body()


async def read_bytes(request: Request, *, max_bytes: int, seconds: float) -> bytes:
    """Reads the whole body, whatever its Content-Type.

    Raises:
        RequestError: the body is too large (413), too slow (408) or compressed (415).
    """
    async with _limited(request, max_bytes, seconds) as limited:
        return await limited.body()


async def _read_multipart(request: Request, *, max_bytes: int, seconds: float) -> Body:
    """Reads a multipart form.

    Latin-1 replaces the character set that the client names, so text fields keep their bytes unchanged.
    """
    kind = request.headers["content-type"] + "; charset=latin-1"
    fields: dict[str, bytes] = {}
    try:
        async with _limited(request, max_bytes, seconds) as limited:
            raw = Request({**request.scope, "headers": [(b"content-type", kind.encode("latin-1"))]}, limited.receive)
            async with raw.form(max_files=MOST_PARTS, max_fields=MOST_PARTS, max_part_size=max_bytes) as form:
                for name, value in form.multi_items():  # of several parts with the same name the first counts
                    data = await value.read() if isinstance(value, UploadFile) else value.encode("latin-1")
                    fields.setdefault(name, data)
    except HTTPException as error:
        raise RequestError(f"the form is malformed: {error.detail}") from error
    except UnicodeError as error:  # an unclosed quote in the Content-Type hides the appended character set
        raise RequestError("the form is malformed: its Content-Type cannot be read") from error
    return Body(fields)


def _read_urlencoded(body: bytes) -> Body:
    if len(body) > MOST_URLENCODED:
        raise RequestError(f"a form of more than {MOST_URLENCODED} bytes must come as {MULTIPART}", status=413)
    try:
        items = parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MOST_PARTS)
    except ValueError as error:
        raise RequestError(f"the form is malformed: it has more than {MOST_PARTS} fields") from error
    return Body({name: value.encode() for name, value in reversed(items)})


@asynccontextmanager
async def _limited(request: Request, max_bytes: int, seconds: float) -> AsyncIterator[Request]:
    """Wraps a request so that reading too many bytes of its body, or for too long, raises `RequestError`.

    It counts the bytes received, since a chunked body declares no length.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestError("the body is compressed (Content-Encoding); send it as it is", status=415)
    seen = 0

    def check(size: int) -> None:
        if size > max_bytes:
            message = f"the request is larger than {max_bytes} bytes (--max-body-bytes); send a smaller one"
            raise RequestError(message, status=413)

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        check(seen)
        return message

    declared = request.headers.get("content-length", "")
    check(int(declared) if declared.isdigit() else 0)
    try:
        async with asyncio.timeout(seconds):
            yield Request(request.scope, receive)
    except TimeoutError as error:
        raise RequestError(f"the request did not arrive within {seconds:g} seconds", status=408) from error
