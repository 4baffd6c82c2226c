"""Endpoints of the Open Inference Protocol, version 2, over HTTP with JSON.

The binary tensor extension is not supported; a client sends an image file as a BYTES tensor, in base64.
Source: Open Inference Protocol specification, `rest/required_api`.
"""

import json
from typing import Any, NamedTuple

import numpy as np
from fastapi import APIRouter, Depends, Request, Response

from mrcnn.config import errors
from mrcnn.serve import json_text, tensors
from mrcnn.serve.answers import JSONAnswer
from mrcnn.serve.reception import VERSION, Reception
from mrcnn.serve.refusals import Refusal
from mrcnn.serve.supervisely import from_base64

SERVER_VERSION = "0.1.0"
BINARY_HEADER = "Inference-Header-Content-Length"
DATATYPES = {"boxes": "FP32", "class_ids": "INT32", "scores": "FP32", "masks": "UINT8"}
_EXAMPLE = {"inputs": [{"name": "encoded", "shape": [1], "datatype": "BYTES", "data": ["<base64>"]}]}
_BODY = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}}}}


class Wanted(NamedTuple):
    """A parsed inference request.

    Attributes:
        picture: the bytes of an image file, or pixels `[H, W, channels]` uint8.
        outputs: the names of the requested output tensors.
        id: the client's request id, repeated in the response; None without one.
    """

    picture: bytes | np.ndarray
    outputs: tuple[str, ...]
    id: str | None


def make_router(reception: Reception) -> APIRouter:
    """Builds the router of the `/v2` endpoints."""
    router, admission = APIRouter(prefix="/v2", tags=["Open Inference Protocol"]), [Depends(reception.admit)]

    @router.get("")
    async def server() -> dict[str, Any]:
        """Returns the name, the version and the extensions of the server."""
        return {"name": "mrcnn", "version": SERVER_VERSION, "extensions": []}

    @router.get("/health/live")
    async def live() -> dict[str, bool]:
        """Liveness check: answers 200 while the process runs."""
        return {"live": True}

    @router.get("/health/ready")
    @router.get("/models/{name}/ready")
    @router.get("/models/{name}/versions/{version}/ready")
    async def ready(name: str | None = None, version: str = VERSION) -> dict[str, Any]:
        """Readiness check: answers 200 while the model accepts images, else 503."""
        if name is not None:
            reception.check_model(name, version)
        if not reception.service.ready:
            raise Refusal("the model takes no images now", status=503)
        return {"ready": True} if name is None else {"name": name, "ready": True}

    @router.get("/models/{name}")
    @router.get("/models/{name}/versions/{version}")
    async def metadata(name: str, version: str = VERSION) -> dict[str, Any]:
        """Returns the model's inputs, outputs and class names."""
        reception.check_model(name, version)
        return {**_metadata(name, reception.channels), "class_names": list(reception.service.bundle.class_names)}

    @router.post("/models/{name}/infer", openapi_extra=_BODY, dependencies=admission)
    @router.post("/models/{name}/versions/{version}/infer", openapi_extra=_BODY, dependencies=admission)
    async def infer(request: Request, name: str, version: str = VERSION) -> Response:
        """Finds the objects of one image."""
        reception.check_model(name, version)
        if BINARY_HEADER in request.headers:
            raise Refusal(f"binary tensors ({BINARY_HEADER}) are not taken; send the image in JSON, as BYTES in base64")
        document = await reception.document(request)
        wanted = await reception.read(
            json_text.working_bytes(document), lambda: read_request(document, channels=reception.channels)
        )
        outputs = await reception.with_image(
            wanted.picture,
            lambda image, gone: write_outputs(tensors.arrays_of(reception.service.detect(image, gone), wanted.outputs)),
            request=request,
        )
        head = {"model_name": name, "model_version": VERSION} | ({} if wanted.id is None else {"id": wanted.id})
        return JSONAnswer(f'{json.dumps(head)[:-1]}, "outputs": {outputs}}}')

    return router


def read_request(document: bytes, *, channels: int) -> Wanted:
    """Reads an inference request.

    Args:
        document: the JSON text.
        channels: channels of the model's images.

    Raises:
        Refusal: a key or value is missing, malformed or unknown.
    """
    values = json_text.parse(document, name="body")
    inputs = values.get("inputs") if isinstance(values, dict) else None
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise Refusal("the body must be a JSON object whose `inputs` is a list of one tensor, `image` or `encoded`")
    request_id = values.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise Refusal(f"`id` must be a text, got {errors.shown(request_id)}")
    return Wanted(_read_input(inputs[0], channels), _read_outputs(values.get("outputs")), request_id)


def write_outputs(arrays: tensors.Arrays) -> str:
    """Writes the JSON list of output tensors, each with name, datatype, shape and flat data."""
    texts = []
    for name, values in arrays.items():
        head = json.dumps({"name": name, "datatype": DATATYPES[name], "shape": list(values.shape)})
        texts.append(f'{head[:-1]}, "data": {tensors.write_flat(values)}}}')
    return f"[{', '.join(texts)}]"


def _read_input(tensor: dict[str, Any], channels: int) -> bytes | np.ndarray:
    name, kind, data = tensor.get("name"), tensor.get("datatype"), tensor.get("data")
    shape = tensors.whole_numbers(tensor.get("shape"), name="shape")
    if not isinstance(data, list):
        raise Refusal(f"`data` must be a list, got {errors.shown(data)}; binary tensors are not taken")
    if (name, kind) == ("image", "UINT8"):
        return tensors.image_of(data, channels=channels, shape=shape)
    if (name, kind) == ("encoded", "BYTES") and shape in ([1], [1, 1]):
        while isinstance(data, list) and len(data) == 1:
            data = data[0]
        return from_base64(data, name="data")
    raise Refusal(
        f"the input must be `image` of datatype UINT8 and shape [height, width, {channels}], or `encoded` of BYTES and "
        f"shape [1], got {errors.shown(name)} of {errors.shown(kind)} and shape {shape}"
    )


def _read_outputs(outputs: Any) -> tuple[str, ...]:
    if outputs is None or outputs == []:
        return tensors.OUTPUTS
    items = outputs if isinstance(outputs, list) else [outputs]
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    wanted = tuple(name for name in names if isinstance(name, str) and name in DATATYPES)
    if len(wanted) != len(items):
        known = ", ".join(DATATYPES)
        raise Refusal(f"`outputs` must be a list of objects with a `name` of {known}, got {errors.shown(outputs)}")
    return wanted


def _metadata(name: str, channels: int) -> dict[str, Any]:
    shapes = {"boxes": [-1, 4], "class_ids": [-1], "scores": [-1], "masks": [-1, -1, -1]}
    return {
        "name": name,
        "versions": [VERSION],
        "platform": "keras_mask_rcnn",
        "inputs": [
            {"name": "image", "datatype": "UINT8", "shape": [-1, -1, channels]},
            {"name": "encoded", "datatype": "BYTES", "shape": [1]},
        ],
        "outputs": [{"name": key, "datatype": DATATYPES[key], "shape": shape} for key, shape in shapes.items()],
    }
