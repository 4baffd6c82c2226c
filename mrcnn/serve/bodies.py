"""A request's body, read within limits of bytes and seconds, as named parts.

A form's fields and files, a JSON object's keys, or the bytes of one image: the endpoints see `Parts` for all of them.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from mrcnn.serve.refusals import Refusal

MOST_PARTS = 32
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
JSON = "application/json"


@dataclass(frozen=True)
class Parts:
    """What a request brought, nothing of it parsed.

    Attributes:
        files: the form's files by name, or the whole body, an image, as `image`.
        texts: the form's text fields by name.
        document: the whole body where it is JSON.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    texts: Mapping[str, bytes] = field(default_factory=dict)
    document: bytes | None = None


async def read_parts(request: Request, *, max_bytes: int, seconds: float) -> Parts:
    """Reads a body of any kind that the service takes; no body gives no parts.

    Raises:
        Refusal: it is too large (413), too slow (408), of another kind (415), or a malformed form.
    """
    kind = _kind(request)
    if kind in FORMS:
        return await _read_form(request, max_bytes=max_bytes, seconds=seconds)
    body = await read_bytes(request, max_bytes=max_bytes, seconds=seconds)
    if kind == JSON:
        return Parts(document=body)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return Parts(files={"image": body})
    if body:
        raise Refusal(
            f"the Content-Type must be multipart/form-data, {JSON} or image/..., got {kind[:80] or 'none'}", status=415
        )
    return Parts()


async def read_bytes(request: Request, *, max_bytes: int, seconds: float) -> bytes:
    """Reads the whole body.

    Raises:
        Refusal: it is too large (413) or too slow (408).
    """
    limited = _limited(request, max_bytes)
    try:
        async with asyncio.timeout(seconds):
            return await limited.body()
    except TimeoutError as error:
        raise _too_slow(seconds) from error


async def _read_form(request: Request, *, max_bytes: int, seconds: float) -> Parts:
    limited = _limited(request, max_bytes)
    try:
        async with asyncio.timeout(seconds):
            form = await limited.form(max_files=MOST_PARTS, max_fields=MOST_PARTS, max_part_size=max_bytes)
    except TimeoutError as error:
        raise _too_slow(seconds) from error
    except HTTPException as error:
        raise Refusal(f"the form is malformed: {error.detail}") from error
    try:
        return await _parts_of(form)
    finally:
        await form.close()


async def _parts_of(form: FormData) -> Parts:
    files: dict[str, bytes] = {}
    texts: dict[str, bytes] = {}
    for name, value in form.multi_items():  # of parts with one name the first counts
        if isinstance(value, UploadFile):
            files.setdefault(name, await value.read())
        else:
            texts.setdefault(name, value.encode())
    return Parts(files, texts)


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _limited(request: Request, max_bytes: int) -> Request:
    """Gives the request with a body that ends in a refusal where it grows too large, however it is sent."""
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
