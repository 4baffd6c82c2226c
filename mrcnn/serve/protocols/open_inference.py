"""Open Inference Protocol, version 2, over HTTP with JSON.

The binary tensor extension is not supported; a client sends an image file as a BYTES tensor, in base64.
Source: Open Inference Protocol specification, `rest/required_api`.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

import mrcnn
from mrcnn.config import errors
from mrcnn.serve.handler import VERSION
from mrcnn.serve.limits import json_text
from mrcnn.serve.protocols import tensors
from mrcnn.serve.protocols.protocol import Protocol, Query
from mrcnn.serve.protocols.tensors import Output
from mrcnn.serve.responses import RequestError
from mrcnn.serve.service import Disconnect

BINARY_HEADER = "Inference-Header-Content-Length"
DATATYPES = {"float32": "FP32", "int32": "INT32", "uint8": "UINT8"}
_EXAMPLE = {"inputs": [{"name": "encoded", "shape": [1], "datatype": "BYTES", "data": ["<base64>"]}]}
_BODY = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}}}}


@dataclass(frozen=True, kw_only=True)
class InferenceQuery(Query):
    """A parsed inference request.

    Attributes:
        outputs: the names of the requested output tensors.
        id: the client's request id, repeated in the response; None without one.
    """

    outputs: tuple[str, ...]
    id: str | None


class OpenInference(Protocol[InferenceQuery]):
    """The `/v2` endpoints."""

    prefix, tag = "/v2", "Open Inference Protocol"

    def add_routes(self, router: APIRouter) -> None:
        """Adds health, metadata and inference, the last two with and without the version in their paths."""

        @router.get("")
        async def server() -> dict[str, Any]:
            """Returns the name, the version and the extensions of the server."""
            return {"name": "mrcnn", "version": mrcnn.__version__, "extensions": []}

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
                self.handler.check_model(name, version)
            self.handler.check_ready()
            return {"ready": True} if name is None else {"name": name, "ready": True}

        @router.get("/models/{name}")
        @router.get("/models/{name}/versions/{version}")
        async def metadata(name: str, version: str = VERSION) -> dict[str, Any]:
            """Returns the model's inputs, outputs and class names."""
            self.handler.check_model(name, version)
            class_names = list(self.handler.service.facts.class_names)
            return {
                **_metadata(name, self.handler.channels, tensors.outputs(self.handler.extra_fields)),
                "class_names": class_names,
            }

        @router.post("/models/{name}/infer", openapi_extra=_BODY)
        @router.post("/models/{name}/versions/{version}/infer", openapi_extra=_BODY)
        async def infer(request: Request, name: str, version: str = VERSION) -> Response:
            """Finds the objects of one image."""
            self.handler.check_model(name, version)
            if BINARY_HEADER in request.headers:
                message = f"binary tensors ({BINARY_HEADER}) are not taken; send the image in JSON, as BYTES in base64"
                raise RequestError(message)
            return await self.predict(request)

    async def read(self, request: Request) -> InferenceQuery:
        """Reads an inference request; see `read_request`."""
        handler = self.handler
        return await handler.parse_json(
            request,
            lambda text: read_request(text, channels=handler.channels, outputs=tensors.outputs(handler.extra_fields)),
        )

    def run(self, query: InferenceQuery, image: np.ndarray, disconnect: Disconnect) -> str:
        """Writes the JSON list of the requested output tensors.

        Each has a name, datatype, shape and flat data.
        """
        arrays = tensors.to_arrays(self.handler.service.detect(image, disconnect), query.outputs)
        return f"[{', '.join(_write_tensor(name, values) for name, values in arrays.items())}]"

    def write(self, query: InferenceQuery, texts: Sequence[str]) -> str:
        """Puts the model's name and version, and the request's id, before the outputs."""
        head = {"model_name": self.handler.model_name, "model_version": VERSION}
        head |= {} if query.id is None else {"id": query.id}
        return f'{json.dumps(head)[:-1]}, "outputs": {texts[0]}}}'


def read_request(document: bytes, *, channels: int, outputs: Collection[str]) -> InferenceQuery:
    """Parses an inference request.

    Args:
        document: the JSON text.
        channels: channels of the model's images.
        outputs: names of the arrays that may be asked for.

    Raises:
        RequestError: a key or value is missing, malformed or unknown.
    """
    values = json_text.parse(document, name="body")
    inputs = values.get("inputs") if isinstance(values, dict) else None
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise RequestError(
            "the body must be a JSON object whose `inputs` is a list of one tensor, `image` or `encoded`"
        )
    request_id = values.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise RequestError(f"`id` must be a text, got {errors.shown(request_id)}")
    image = _read_input(inputs[0], channels)
    return InferenceQuery(images=(image,), outputs=_read_outputs(values.get("outputs"), outputs), id=request_id)


def _read_input(tensor: dict[str, Any], channels: int) -> bytes | np.ndarray:
    name, kind, data = tensor.get("name"), tensor.get("datatype"), tensor.get("data")
    shape = tensors.whole_numbers(tensor.get("shape"), name="shape")
    if not isinstance(data, list):
        raise RequestError(f"`data` must be a list, got {errors.shown(data)}; binary tensors are not taken")
    if (name, kind) == ("image", "UINT8"):
        return tensors.read_image(data, channels=channels, shape=shape)
    if (name, kind) == ("encoded", "BYTES") and shape in ([1], [1, 1]):
        while isinstance(data, list) and len(data) == 1:
            data = data[0]
        return json_text.decode_base64(data, name="data")
    raise RequestError(
        f"the input must be `image` of datatype UINT8 and shape [height, width, {channels}], or `encoded` of BYTES and "
        f"shape [1], got {errors.shown(name)} of {errors.shown(kind)} and shape {shape}"
    )


def _read_outputs(outputs: Any, known: Collection[str]) -> tuple[str, ...]:
    if outputs is None or outputs == []:
        return tuple(known)
    items = outputs if isinstance(outputs, list) else [outputs]
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    wanted = tuple(name for name in names if isinstance(name, str) and name in known)
    if len(wanted) != len(items):
        raise RequestError(
            f"`outputs` must be a list of objects with a `name` of {', '.join(known)}, got {errors.shown(outputs)}"
        )
    return wanted


def _write_tensor(name: str, values: np.ndarray) -> str:
    head = json.dumps({"name": name, "datatype": DATATYPES[values.dtype.name], "shape": list(values.shape)})
    return f'{head[:-1]}, "data": {tensors.write_flat(values)}}}'


def _metadata(name: str, channels: int, arrays: Mapping[str, Output]) -> dict[str, Any]:
    return {
        "name": name,
        "versions": [VERSION],
        "platform": "keras_mask_rcnn",
        "inputs": [
            {"name": "image", "datatype": "UINT8", "shape": [-1, -1, channels]},
            {"name": "encoded", "datatype": "BYTES", "shape": [1]},
        ],
        "outputs": [
            {"name": key, "datatype": DATATYPES[output.dtype], "shape": list(output.shape)}
            for key, output in arrays.items()
        ],
    }
