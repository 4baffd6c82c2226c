"""Reads a request's body into named parts, within limits of bytes and seconds.

A body is a form with fields and files, a JSON text or the bytes of one image; the endpoints get `Parts` for all three.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from mrcnn.serve.refusals import Refusal

MOST_PARTS = 32
MOST_URLENCODED = 2**20  # bytes; decoding needs 80 times as many
MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass(frozen=True)
class Parts:
    """The unparsed parts of a request's body.

    Attributes:
        fields: bytes of the form's files and text fields, by name; a body that is an image is the field `image`.
        document: the whole body if its Content-Type is JSON, else None.
    """

    fields: Mapping[str, bytes] = field(default_factory=dict)
    document: bytes | None = None


async def read_parts(request: Request, *, max_bytes: int, seconds: float) -> Parts:
    """Reads a body of any supported Content-Type: form, JSON or image.

    Args:
        request: its body has not been read yet.
        max_bytes: largest accepted body.
        seconds: time limit for the whole body to arrive.

    Returns:
        The parts; an empty body has none.

    Raises:
        Refusal: the body is too large (413), too slow (408), of another type (415), or a malformed form (400).
    """
    kind = _kind(request)
    if kind == MULTIPART:
        return await _read_multipart(request, max_bytes=max_bytes, seconds=seconds)
    body = await read_bytes(request, max_bytes=max_bytes, seconds=seconds)
    if kind == URLENCODED:
        return _read_urlencoded(body)
    if kind == JSON:
        return Parts(document=body)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return Parts({"image": body})
    if body:
        raise Refusal(
            f"the Content-Type must be {MULTIPART}, {JSON} or image/..., got {kind[:80] or 'none'}", status=415
        )
    return Parts()


async def read_bytes(request: Request, *, max_bytes: int, seconds: float) -> bytes:
    """Reads the whole body, whatever its Content-Type.

    Raises:
        Refusal: the body is too large (413), too slow (408) or compressed (415).
    """
    limited = _limited(request, max_bytes)
    try:
        async with asyncio.timeout(seconds):
            return await limited.body()
    except TimeoutError as error:
        raise _too_slow(seconds) from error


async def _read_multipart(request: Request, *, max_bytes: int, seconds: float) -> Parts:
    """Reads a multipart form.

    Latin-1 replaces the character set that the client names, so text fields keep their bytes unchanged.
    """
    limited = _limited(request, max_bytes)
    kind = request.headers["content-type"] + "; charset=latin-1"
    raw = Request({**request.scope, "headers": [(b"content-type", kind.encode("latin-1"))]}, limited.receive)
    form = raw.form(max_files=MOST_PARTS, max_fields=MOST_PARTS, max_part_size=max_bytes)
    try:
        async with asyncio.timeout(seconds), form as values:
            return Parts(await _fields_of(values))
    except TimeoutError as error:
        raise _too_slow(seconds) from error
    except HTTPException as error:
        raise Refusal(f"the form is malformed: {error.detail}") from error
    except (
        UnicodeError
    ) as error:  # an unclosed quote in the Content-Type hides the appended character set from the parser
        raise Refusal("the form is malformed: its Content-Type cannot be read") from error


async def _fields_of(form: FormData) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    for name, value in form.multi_items():  # of several parts with the same name the first counts
        fields.setdefault(name, await value.read() if isinstance(value, UploadFile) else value.encode("latin-1"))
    return fields


def _read_urlencoded(body: bytes) -> Parts:
    if len(body) > MOST_URLENCODED:
        raise Refusal(f"a form of more than {MOST_URLENCODED} bytes must come as {MULTIPART}", status=413)
    try:
        items = parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MOST_PARTS)
    except ValueError as error:
        raise Refusal(f"the form is malformed: it has more than {MOST_PARTS} fields") from error
    return Parts({name: value.encode() for name, value in reversed(items)})


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _limited(request: Request, max_bytes: int) -> Request:
    """Wraps a request so that reading more than `max_bytes` of its body raises `Refusal`.

    It counts the bytes received, since a chunked body declares no length.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal("the body is compressed (Content-Encoding); send it as it is", status=415)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > max_bytes:
            raise _too_large(max_bytes)
        return message

    return Request(request.scope, receive)


def _too_large(max_bytes: int) -> Refusal:
    return Refusal(f"the request is larger than {max_bytes} bytes (--max-body-bytes); send a smaller one", status=413)


def _too_slow(seconds: float) -> Refusal:
    return Refusal(f"the request did not arrive within {seconds:g} seconds", status=408)
