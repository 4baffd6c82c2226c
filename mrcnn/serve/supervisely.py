"""Reads requests and writes responses of the old Supervisely API; knows no HTTP.

A value is a form's text or file, a parameter of the query, or a key of a JSON body, there as an object or as JSON text.
Source: Supervisely Mask R-CNN plugin 5.16 and 6.0, stand-alone HTTP service.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from mrcnn.config import errors
from mrcnn.config.inference import Mode
from mrcnn.config.load import load_mode
from mrcnn.errors import UserError
from mrcnn.project.annotation import Annotation
from mrcnn.project.geometry import MultiPolygon, Polygon
from mrcnn.project.meta import ProjectMeta
from mrcnn.serve import json_text, pictures
from mrcnn.serve.bodies import Parts
from mrcnn.serve.refusals import Refusal
from mrcnn.serve.service import Gone, Service

KEYS = ("meta", "mode", "annotation")
SUFFIXES = {"2020": "_model", "2019": ""}  # generation: suffix of class and tag names where the mode gives none
MOST_POINTS = 10_000  # of an outline: the time to fill one that crosses itself grows with the square of its points
Value = TypeVar("Value")


@dataclass(frozen=True)
class Question:
    """A parsed request of the old API.

    Attributes:
        image: the bytes of an image file; None without one.
        meta: classes and tags of the project that the annotation belongs to; empty by default.
        mode: settings of the inference mode.
        annotation: the existing annotation of the image; None without one.
    """

    image: bytes | None
    meta: ProjectMeta
    mode: Mode
    annotation: Annotation | None


def working_bytes(parts: Parts, query: Mapping[str, str]) -> int:
    """Computes an upper bound of the bytes that `read_question` needs."""
    texts = [parts.document or b"", *(parts.fields.get(key, b"") for key in KEYS)]
    return sum(map(json_text.working_bytes, texts)) + sum(json_text.working_bytes(v.encode()) for v in query.values())


def read_question(parts: Parts, query: Mapping[str, str], *, generation: str, max_pixels: int) -> Question:
    """Parses and checks the values of a request.

    Args:
        parts: the body.
        query: the parameters of the URL, used for keys that the body lacks.
        generation: generation of the API, a key of `SUFFIXES`.
        max_pixels: largest accepted height x width of a mask in the annotation.

    Raises:
        UserError: a value is malformed; the message names it.
    """
    values = _document(parts.document) if parts.document is not None else parts.fields
    given = {key: _value(values.get(key, query.get(key)), key) for key in KEYS}
    mode = load_mode({} if given["mode"] is None else given["mode"], default_suffix=SUFFIXES[generation])
    meta = ProjectMeta() if given["meta"] is None else _read("meta", lambda: ProjectMeta.from_json(given["meta"]))
    annotation = None
    if given["annotation"] is not None:
        _check_masks(given["annotation"], max_pixels)
        annotation = _read("annotation", lambda: Annotation.from_json(given["annotation"], meta))
        _check_outlines(annotation)
    return Question(_image(values.get("image")), meta, mode, annotation)


def answer(service: Service, question: Question, image: np.ndarray, *, generation: str, gone: Gone) -> bytes:
    """Detects the objects of an image and writes its annotation as JSON.

    Returns:
        UTF-8 JSON: the annotation; for generation "2019" inside `{"annotation": ...}`.
    """
    found = service.annotate(image, question.annotation, meta=question.meta, mode=question.mode, gone=gone).to_json()
    return json.dumps({"annotation": found} if generation == "2019" else found).encode()


def _document(document: bytes) -> Mapping[str, Any]:
    values = json_text.parse(document, name="body") if document else {}
    if not isinstance(values, dict):
        raise Refusal(f"the body must be a JSON object, got {errors.shown(values)}")
    return values


def _image(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return from_base64(value, name="image")


def from_base64(value: Any, *, name: str) -> bytes:
    """Decodes a base64 text of one or several lines.

    Raises:
        Refusal: the value is no base64 text; the message calls it `name`.
    """
    try:
        if isinstance(value, str):
            return base64.b64decode(value.encode().translate(None, b" \r\n\t"), validate=True)
    except (binascii.Error, ValueError):
        pass
    raise Refusal(f"`{name}` must be base64 text of an image file, got {errors.shown(value)}")


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
        raise Refusal(f"`{name}`: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise Refusal(f"`{name}` is malformed ({type(error).__name__})") from error


def _check_masks(annotation: Any, max_pixels: int) -> None:
    """Checks the sizes of encoded masks before decoding: few bytes may unpack to gigabytes.

    Raises:
        Refusal: a mask unpacks to more than `max_pixels` bytes or pixels (413), or its image is malformed.
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
            raise Refusal(f"a mask of `annotation` unpacks to more than {max_pixels} bytes", status=413)
        try:
            pictures.pixel_count(content, max_pixels=max_pixels)
        except Refusal as error:
            raise Refusal(f"a mask of `annotation`: {error}", status=error.status) from error


def _check_outlines(annotation: Annotation) -> None:
    for number, label in enumerate(annotation.labels):
        shape = label.geometry
        polygons = shape.parts if isinstance(shape, MultiPolygon) else (shape,) if isinstance(shape, Polygon) else ()
        for ring in (ring for polygon in polygons for ring in (polygon.exterior, *polygon.interior)):
            if len(ring) > MOST_POINTS:
                raise Refusal(
                    f"object {number} of `annotation` has an outline of {len(ring)} points, more than {MOST_POINTS}",
                    status=413,
                )


def _mask_texts(annotation: Any) -> Iterator[str]:
    objects = annotation.get("objects") if isinstance(annotation, dict) else None
    for item in objects if isinstance(objects, list) else ():
        mask = item.get("bitmap") if isinstance(item, dict) else None
        if isinstance(mask, dict) and isinstance(mask.get("data"), str):
            yield mask["data"]
