"""The old Supervisely API: generation 2019 wraps its responses, 2020 does not.

A value is a form's text or file, a parameter of the query, or a key of a JSON body, there as an object or as JSON text.
Source: Supervisely Mask R-CNN plugin 5.16 and 6.0, stand-alone HTTP service.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
from fastapi import APIRouter, Request, Response

from mrcnn.config import errors
from mrcnn.config.inference import Mode
from mrcnn.config.load import load_mode
from mrcnn.errors import UserError
from mrcnn.project.annotation import Annotation
from mrcnn.project.geometry import MultiPolygon, Polygon
from mrcnn.project.meta import ProjectMeta
from mrcnn.serve.handler import RequestHandler
from mrcnn.serve.limits import images, json_text
from mrcnn.serve.limits.bodies import JSON, Body
from mrcnn.serve.protocols.protocol import Protocol, Query
from mrcnn.serve.responses import JSONTextResponse, RequestError
from mrcnn.serve.service import Disconnect

KEYS = ("meta", "mode", "annotation")
SUFFIXES = {"2020": "_model", "2019": ""}  # generation: suffix of class and tag names where the mode gives none
MOST_POINTS = 10_000  # of an outline: the time to fill one that crosses itself grows with the square of its points
MOST_FORM_BYTES = 64 * 2**20  # working memory to parse the values beside the image
_VALUE = {"type": "string", "description": "JSON"}
_FORM = {"image": {"type": "string", "format": "binary"}, "mode": _VALUE, "meta": _VALUE, "annotation": _VALUE}
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class SuperviselyQuery(Query):
    """A parsed request of the old API.

    Attributes:
        meta: classes and tags of the project that the annotation belongs to; empty by default.
        mode: settings of the inference mode.
        annotation: the existing annotation of the image; None without one.
    """

    meta: ProjectMeta
    mode: Mode
    annotation: Annotation | None


class Supervisely(Protocol[SuperviselyQuery]):
    """The `/model` endpoints of the generation that the settings choose."""

    tag = "Supervisely"
    fixed_generation: ClassVar[str | None] = None

    def __init__(self, handler: RequestHandler):
        """Chooses the generation, a key of `SUFFIXES`."""
        super().__init__(handler)
        self.generation = self.fixed_generation or handler.api

    def add_routes(self, router: APIRouter) -> None:
        """Adds inference and the two forms of the output's meta."""

        @router.post("/model/inference", openapi_extra=_body(*_FORM))
        async def inference(request: Request) -> Response:
            """Finds the objects of an image; returns its annotation with a bitmap per object."""
            query = await self.read(request)
            if not query.images:
                raise RequestError("`image` is missing; send the image file as the form's file part `image`")
            return await self.answer(query, request)

        @router.post("/model/get_out_meta", openapi_extra=_body("mode", "meta"))
        async def get_out_meta(request: Request) -> Response:
            """Returns `meta` with the classes and tags added that the responses in a mode use."""
            query = await self._read(request, "2020")
            return JSONTextResponse(json.dumps(self.handler.service.output_meta(query.meta, query.mode).to_json()))

        @router.post("/model/get_output_meta")
        async def get_output_meta() -> Response:
            """Returns the model's classes and tags as in 2019: wrapped, names without a suffix."""
            query = read_request(Body(), {}, generation="2019", max_pixels=0)
            meta = self.handler.service.output_meta(query.meta, query.mode)
            return JSONTextResponse(json.dumps({"output_meta": meta.to_json()}))

    async def read(self, request: Request) -> SuperviselyQuery:
        """Reads a request; see `read_request`."""
        return await self._read(request, self.generation)

    def run(self, query: SuperviselyQuery, image: np.ndarray, disconnect: Disconnect) -> str:
        """Writes the image's annotation with the objects added; for generation "2019" inside `{"annotation": ...}`."""
        found = self.handler.service.annotate(
            image, query.annotation, meta=query.meta, mode=query.mode, disconnect=disconnect
        ).to_json()
        return json.dumps({"annotation": found} if self.generation == "2019" else found)

    async def _read(self, request: Request, generation: str) -> SuperviselyQuery:
        body, parameters = await self.handler.body(request), dict(request.query_params)
        size, most = working_bytes(body, parameters), self.handler.max_pixels
        if size > MOST_FORM_BYTES:
            raise RequestError("`meta`, `mode` and `annotation` hold too much together; send less", status=413)
        return await self.handler.parse(
            size, lambda: read_request(body, parameters, generation=generation, max_pixels=most)
        )


class Supervisely2019(Supervisely):
    """The endpoints of generation 2019, whatever the settings."""

    prefix, fixed_generation = "/2019", "2019"


class Supervisely2020(Supervisely):
    """The endpoints of generation 2020, whatever the settings."""

    prefix, fixed_generation = "/2020", "2020"


def working_bytes(body: Body, parameters: Mapping[str, str]) -> int:
    """Computes an upper bound of the bytes that `read_request` needs."""
    texts = [body.document or b"", *(body.fields.get(key, b"") for key in KEYS)]
    return sum(map(json_text.working_bytes, texts)) + sum(
        json_text.working_bytes(v.encode()) for v in parameters.values()
    )


def read_request(body: Body, parameters: Mapping[str, str], *, generation: str, max_pixels: int) -> SuperviselyQuery:
    """Parses and checks the values of a request.

    Args:
        body: the body.
        parameters: the parameters of the URL, used for keys that the body lacks.
        generation: generation of the API, a key of `SUFFIXES`.
        max_pixels: largest accepted height x width of a mask in the annotation.

    Raises:
        UserError: a value is malformed; the message names it.
    """
    values = _document(body.document) if body.document is not None else body.fields
    given = {key: _value(values.get(key, parameters.get(key)), key) for key in KEYS}
    mode = load_mode({} if given["mode"] is None else given["mode"], default_suffix=SUFFIXES[generation])
    meta = ProjectMeta() if given["meta"] is None else _read("meta", lambda: ProjectMeta.from_json(given["meta"]))
    annotation = None
    if given["annotation"] is not None:
        _check_masks(given["annotation"], max_pixels)
        annotation = _read("annotation", lambda: Annotation.from_json(given["annotation"], meta))
        _check_outlines(annotation)
    size = working_bytes(body, parameters)
    return SuperviselyQuery(images=_images(values.get("image")), size=size, meta=meta, mode=mode, annotation=annotation)


def _document(document: bytes) -> Mapping[str, Any]:
    values = json_text.parse(document, name="body") if document else {}
    if not isinstance(values, dict):
        raise RequestError(f"the body must be a JSON object, got {errors.shown(values)}")
    return values


def _images(value: Any) -> tuple[bytes, ...]:
    if value is None:
        return ()
    return (value if isinstance(value, bytes) else json_text.decode_base64(value, name="image"),)


def _value(value: Any, name: str) -> Any:
    """Parses a value that may be JSON text.

    Returns:
        The parsed value; None for one that is missing, empty or null.
    """
    if isinstance(value, str):
        value = value.encode(errors="replace")
    if isinstance(value, bytes):
        return json_text.parse(value, name=name) if value.strip() else None
    return value


def _read(name: str, reader: Callable[[], Value]) -> Value:
    try:
        return reader()
    except UserError as error:
        raise RequestError(f"`{name}`: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise RequestError(f"`{name}` is malformed ({type(error).__name__})") from error


def _check_masks(annotation: Any, max_pixels: int) -> None:
    """Checks the sizes of encoded masks before decoding: few bytes may unpack to gigabytes.

    Raises:
        RequestError: a mask unpacks to more than `max_pixels` bytes or pixels (413), or its image is malformed.
    """
    for data in _mask_texts(annotation):
        try:
            content = base64.b64decode(data)
        except (binascii.Error, ValueError):
            continue  # `Annotation.from_json` reports it, with the object's number
        unzip = zlib.decompressobj()
        try:
            content = unzip.decompress(content, max_pixels)
        except zlib.error:
            unzip = zlib.decompressobj()  # a PNG that was not compressed again
        if unzip.unconsumed_tail:
            raise RequestError(f"a mask of `annotation` unpacks to more than {max_pixels} bytes", status=413)
        try:
            images.pixel_count(content, max_pixels=max_pixels)
        except RequestError as error:
            raise RequestError(f"a mask of `annotation`: {error}", status=error.status) from error


def _check_outlines(annotation: Annotation) -> None:
    for number, label in enumerate(annotation.labels):
        shape = label.geometry
        polygons = shape.parts if isinstance(shape, MultiPolygon) else (shape,) if isinstance(shape, Polygon) else ()
        for ring in (ring for polygon in polygons for ring in (polygon.exterior, *polygon.interior)):
            if len(ring) > MOST_POINTS:
                raise RequestError(
                    f"object {number} of `annotation` has an outline of {len(ring)} points, more than {MOST_POINTS}",
                    status=413,
                )


def _mask_texts(annotation: Any) -> Iterator[str]:
    objects = annotation.get("objects") if isinstance(annotation, dict) else None
    for item in objects if isinstance(objects, list) else ():
        mask = item.get("bitmap") if isinstance(item, dict) else None
        if isinstance(mask, dict) and isinstance(mask.get("data"), str):
            yield mask["data"]


def _body(*names: str) -> dict[str, object]:
    """Builds the OpenAPI description of a body, which FastAPI cannot derive from a plain `Request`."""
    form = {"type": "object", "properties": {name: _FORM[name] for name in names}}
    if "image" in names:
        form["required"] = ["image"]
    content = {"multipart/form-data": {"schema": form}, JSON: {"schema": {"type": "object"}}}
    return {"requestBody": {"content": content}}
