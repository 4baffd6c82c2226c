"""TensorFlow Serving's REST API, with the two signatures of an exported model.

Beyond that API `instances` may hold several images of different sizes, and each gets its own prediction.
Source: TensorFlow Serving, RESTful API.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from mrcnn.config import errors
from mrcnn.serve.handler import VERSION
from mrcnn.serve.limits import json_text
from mrcnn.serve.protocols import tensors
from mrcnn.serve.protocols.protocol import Protocol, Query
from mrcnn.serve.protocols.tensors import Output
from mrcnn.serve.responses import RequestError
from mrcnn.serve.service import Disconnect

SIGNATURES = {"serving_default": "image", "encoded": "encoded"}  # signature: its input, as in an exported model
DATATYPES = {"float32": "DT_FLOAT", "int32": "DT_INT32", "uint8": "DT_UINT8"}
MOST_INSTANCES = 32
_STATUS = {"version": VERSION, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
_EXAMPLE = {"inputs": {"encoded": {"b64": "..."}}}
_BODY = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}}}}


@dataclass(frozen=True, kw_only=True)
class TFQuery(Query):
    """A parsed prediction request.

    Attributes:
        in_rows: whether the images came as `instances`.
    """

    in_rows: bool


class TFServing(Protocol[TFQuery]):
    """The `/v1/models` endpoints."""

    prefix, tag = "/v1/models", "TensorFlow Serving"

    def add_routes(self, router: APIRouter) -> None:
        """Adds status, metadata and prediction, each with and without the version in its path."""

        @router.get("/{name}")
        @router.get("/{name}/versions/{version}")
        async def status(name: str, version: str = VERSION) -> dict[str, Any]:
            """Returns the state of the model."""
            self.handler.check_model(name, version)
            return {"model_version_status": [_STATUS]}

        @router.get("/{name}/metadata")
        @router.get("/{name}/versions/{version}/metadata")
        async def metadata(name: str, version: str = VERSION) -> dict[str, Any]:
            """Returns the inputs and outputs of each signature."""
            self.handler.check_model(name, version)
            return _metadata(name, self.handler.channels, tensors.outputs(self.handler.extra_fields))

        @router.post("/{name}:predict", openapi_extra=_BODY)
        @router.post("/{name}/versions/{version}:predict", openapi_extra=_BODY)
        async def predict(request: Request, name: str, version: str = VERSION) -> Response:
            """Finds the objects of one image (`inputs`) or of several (`instances`)."""
            self.handler.check_model(name, version)
            return await self.predict(request)

    async def read(self, request: Request) -> TFQuery:
        """Reads a prediction request; see `read_request`."""
        return await self.handler.parse_json(request, lambda text: read_request(text, channels=self.handler.channels))

    def run(self, query: TFQuery, image: np.ndarray, disconnect: Disconnect) -> str:
        """Writes the arrays of one image as an object of nested lists."""
        return tensors.write_nested(
            tensors.to_arrays(
                self.handler.service.detect(image, disconnect), tensors.outputs(self.handler.extra_fields)
            )
        )

    def write(self, query: TFQuery, texts: Sequence[str]) -> str:
        """Writes `predictions` for `instances`, `outputs` for `inputs`."""
        return f'{{"predictions": [{", ".join(texts)}]}}' if query.in_rows else f'{{"outputs": {texts[0]}}}'


def read_request(document: bytes, *, channels: int) -> TFQuery:
    """Parses a prediction request.

    Args:
        document: the JSON text.
        channels: channels of the model's images.

    Raises:
        RequestError: a key or value is missing, malformed or unknown.
    """
    values = json_text.parse(document, name="body")
    if not isinstance(values, dict) or len(values.keys() & {"inputs", "instances"}) != 1:
        raise RequestError("the body must be a JSON object with either `inputs` or `instances`")
    signature = values.get("signature_name") or None
    if signature is not None and (not isinstance(signature, str) or signature not in SIGNATURES):
        raise RequestError(f"`signature_name` must be one of {', '.join(SIGNATURES)}, got {errors.shown(signature)}")
    expected = SIGNATURES[signature] if signature else None
    if "inputs" in values:
        return TFQuery(images=(_read_item(values["inputs"], expected, channels),), in_rows=False)
    items = values["instances"]
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_INSTANCES:
        raise RequestError(f"`instances` must be a list of 1 to {MOST_INSTANCES} images")
    return TFQuery(images=tuple(_read_item(item, expected, channels) for item in items), in_rows=True)


def _read_item(item: Any, expected: str | None, channels: int) -> bytes | np.ndarray:
    """Reads one image: `{"encoded": {"b64": ...}}`, `{"image": [[[...]]]}` or only the value of either.

    `expected` is the input of the signature that the request names; None accepts both.
    """
    if isinstance(item, dict) and len(item) == 1:
        ((key, value),) = item.items()
        if key == "b64" and expected != "image":
            return json_text.decode_base64(value, name="b64")
        if key in SIGNATURES.values() and key == (expected or key):
            return _read_item(value, key, channels)
    if isinstance(item, list) and expected != "encoded":
        return tensors.read_image(item, channels=channels)
    inputs = [expected] if expected else list(SIGNATURES.values())
    forms = {"image": '{"image": [[[r, g, b], ...], ...]}', "encoded": '{"encoded": {"b64": "..."}}'}
    raise RequestError(f"an image must be {' or '.join(forms[name] for name in inputs)}, got {errors.shown(item)}")


def _metadata(name: str, channels: int, arrays: Mapping[str, Output]) -> dict[str, Any]:
    outputs = {key: _tensor(DATATYPES[output.dtype], *output.shape) for key, output in arrays.items()}
    inputs = {"image": _tensor(DATATYPES["uint8"], -1, -1, channels), "encoded": _tensor("DT_STRING")}
    signatures = {
        key: {"inputs": {field: inputs[field]}, "outputs": outputs, "method_name": "tensorflow/serving/predict"}
        for key, field in SIGNATURES.items()
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": VERSION},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _tensor(dtype: str, *sides: int) -> dict[str, Any]:
    shape = {"dim": [{"size": str(side), "name": ""} for side in sides], "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape}
