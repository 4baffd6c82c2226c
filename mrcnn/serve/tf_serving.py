"""Endpoints of TensorFlow Serving's REST API, with the two signatures of an exported model.

Beyond that API `instances` may hold several images of different sizes, and each gets its own prediction.
Source: TensorFlow Serving, RESTful API.
"""

import json
from typing import Any

import numpy as np
from fastapi import APIRouter, Depends, Request, Response

from mrcnn.config import errors
from mrcnn.serve import json_text, tensors
from mrcnn.serve.answers import JSONAnswer
from mrcnn.serve.reception import VERSION, Reception
from mrcnn.serve.refusals import Refusal
from mrcnn.serve.service import Gone
from mrcnn.serve.supervisely import from_base64

SIGNATURES = {"serving_default": "image", "encoded": "encoded"}  # signature: its input, as in an exported model
MOST_INSTANCES = 32
MOST_ANSWER_BYTES = 40 * 2**20  # of all instances together; one has at most 34 MB
_STATUS = {"version": VERSION, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
_EXAMPLE = {"inputs": {"encoded": {"b64": "..."}}}
_BODY = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}}}}


def make_router(reception: Reception) -> APIRouter:
    """Builds the router of the `/v1/models` endpoints."""
    router, admission = APIRouter(prefix="/v1/models", tags=["TensorFlow Serving"]), [Depends(reception.admit)]

    def answer(image: np.ndarray, gone: Gone) -> str:
        return tensors.write_nested(tensors.arrays_of(reception.service.detect(image, gone)))

    @router.get("/{name}")
    @router.get("/{name}/versions/{version}")
    async def status(name: str, version: str = VERSION) -> dict[str, Any]:
        """Returns the state of the model."""
        reception.check_model(name, version)
        return {"model_version_status": [_STATUS]}

    @router.get("/{name}/metadata")
    @router.get("/{name}/versions/{version}/metadata")
    async def metadata(name: str, version: str = VERSION) -> dict[str, Any]:
        """Returns the inputs and outputs of each signature."""
        reception.check_model(name, version)
        return _metadata(name, reception.channels)

    @router.post("/{name}:predict", openapi_extra=_BODY, dependencies=admission)
    @router.post("/{name}/versions/{version}:predict", openapi_extra=_BODY, dependencies=admission)
    async def predict(request: Request, name: str, version: str = VERSION) -> Response:
        """Finds the objects of one image (`inputs`) or of several (`instances`)."""
        reception.check_model(name, version)
        document = await reception.document(request)
        wanted, in_rows = await reception.read(
            json_text.working_bytes(document), lambda: read_request(document, channels=reception.channels)
        )
        texts: list[str] = []
        for item in wanted:
            texts.append(await reception.with_image(item, answer, request=request))
            if sum(map(len, texts)) > MOST_ANSWER_BYTES:
                raise Refusal(f"the answer is larger than {MOST_ANSWER_BYTES} bytes; send fewer images", status=413)
        text = f'{{"predictions": [{", ".join(texts)}]}}' if in_rows else f'{{"outputs": {texts[0]}}}'
        return JSONAnswer(text)

    return router


def read_request(document: bytes, *, channels: int) -> tuple[list[bytes | np.ndarray], bool]:
    """Reads a prediction request.

    Args:
        document: the JSON text.
        channels: channels of the model's images.

    Returns:
        The images, each as a file's bytes or as pixels `[H, W, channels]` uint8, and whether they came as `instances`.

    Raises:
        Refusal: a key or value is missing, malformed or unknown.
    """
    values = json_text.parse(document, name="body")
    if not isinstance(values, dict) or len(values.keys() & {"inputs", "instances"}) != 1:
        raise Refusal("the body must be a JSON object with either `inputs` or `instances`")
    signature = values.get("signature_name") or None
    if signature is not None and (not isinstance(signature, str) or signature not in SIGNATURES):
        raise Refusal(f"`signature_name` must be one of {', '.join(SIGNATURES)}, got {errors.shown(signature)}")
    expected = SIGNATURES[signature] if signature else None
    if "inputs" in values:
        return [_read_item(values["inputs"], expected, channels)], False
    items = values["instances"]
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_INSTANCES:
        raise Refusal(f"`instances` must be a list of 1 to {MOST_INSTANCES} images")
    return [_read_item(item, expected, channels) for item in items], True


def _read_item(item: Any, expected: str | None, channels: int) -> bytes | np.ndarray:
    """Reads one image: `{"encoded": {"b64": ...}}`, `{"image": [[[...]]]}` or only the value of either.

    `expected` is the input of the signature that the request names; None accepts both.
    """
    if isinstance(item, dict) and len(item) == 1:
        ((key, value),) = item.items()
        if key == "b64" and expected != "image":
            return from_base64(value, name="b64")
        if key in SIGNATURES.values() and key == (expected or key):
            return _read_item(value, key, channels)
    if isinstance(item, list) and expected != "encoded":
        return tensors.image_of(item, channels=channels)
    inputs = [expected] if expected else list(SIGNATURES.values())
    forms = {"image": '{"image": [[[r, g, b], ...], ...]}', "encoded": '{"encoded": {"b64": "..."}}'}
    raise Refusal(f"an image must be {' or '.join(forms[name] for name in inputs)}, got {errors.shown(item)}")


def _metadata(name: str, channels: int) -> dict[str, Any]:
    outputs = {
        "boxes": _tensor("DT_FLOAT", -1, 4),
        "class_ids": _tensor("DT_INT32", -1),
        "scores": _tensor("DT_FLOAT", -1),
        "masks": _tensor("DT_UINT8", -1, -1, -1),
    }
    inputs = {"image": _tensor("DT_UINT8", -1, -1, channels), "encoded": _tensor("DT_STRING")}
    signatures = {
        key: {"inputs": {field: inputs[field]}, "outputs": outputs, "method_name": "tensorflow/serving/predict"}
        for key, field in SIGNATURES.items()
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": VERSION},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _tensor(dtype: str, *sides: int) -> dict[str, Any]:
    shape = {"dim": [{"size": json.dumps(side), "name": ""} for side in sides], "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape}
