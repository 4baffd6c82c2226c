"""Endpoints of the old Supervisely API: generation 2019 wraps its responses, 2020 does not."""

import json

from fastapi import APIRouter, Depends, Request, Response

from mrcnn.project.meta import ProjectMeta
from mrcnn.serve import supervisely
from mrcnn.serve.answers import JSONAnswer
from mrcnn.serve.bodies import JSON
from mrcnn.serve.reception import MOST_FORM_BYTES, Reception
from mrcnn.serve.refusals import Refusal
from mrcnn.serve.supervisely import Question

_VALUE = {"type": "string", "description": "JSON"}
_FORM = {"image": {"type": "string", "format": "binary"}, "mode": _VALUE, "meta": _VALUE, "annotation": _VALUE}
_ANY = {"type": "object"}


def make_router(reception: Reception, *, generation: str, prefix: str = "") -> APIRouter:
    """Builds the router of the `/model` endpoints.

    Args:
        reception: reads the requests and runs the model.
        generation: "2019" or "2020", the response format of `/model/inference`.
        prefix: path before `/model`.
    """
    router = APIRouter(prefix=prefix, tags=["Supervisely"], dependencies=[Depends(reception.admit)])

    @router.post("/model/inference", openapi_extra=_body("image", "mode", "meta", "annotation"))
    async def inference(request: Request) -> Response:
        """Finds the objects of an image; returns its annotation with a bitmap per object."""
        question, size = await _read(reception, request, generation)
        if question.image is None:
            raise Refusal("`image` is missing; send the image file as the form's file part `image`")
        text = await reception.with_image(
            question.image,
            lambda image, gone: supervisely.answer(
                reception.service, question, image, generation=generation, gone=gone
            ),
            request=request,
            size=size,
        )
        return JSONAnswer(text)

    @router.post("/model/get_out_meta", openapi_extra=_body("mode", "meta"))
    async def get_out_meta(request: Request) -> Response:
        """Returns `meta` with the classes and tags added that the responses in a mode use."""
        question, _ = await _read(reception, request, "2020")
        return JSONAnswer(json.dumps(reception.service.output_meta(question.meta, question.mode).to_json()))

    @router.post("/model/get_output_meta")
    async def get_output_meta() -> Response:
        """Returns the model's classes and tags as in 2019: wrapped, names without a suffix."""
        question = supervisely.read_question(supervisely.Parts(), {}, generation="2019", max_pixels=0)
        meta = reception.service.output_meta(ProjectMeta(), question.mode)
        return JSONAnswer(json.dumps({"output_meta": meta.to_json()}))

    return router


async def _read(reception: Reception, request: Request, generation: str) -> tuple[Question, int]:
    parts, query = await reception.parts(request), dict(request.query_params)
    size = supervisely.working_bytes(parts, query)
    if size > MOST_FORM_BYTES:
        raise Refusal("`meta`, `mode` and `annotation` hold too much together; send less", status=413)
    question = await reception.read(
        size,
        lambda: supervisely.read_question(parts, query, generation=generation, max_pixels=reception.max_pixels),
    )
    return question, size


def _body(*names: str) -> dict[str, object]:
    """Builds the OpenAPI description of a body, which FastAPI cannot derive from a plain `Request`."""
    form = {"type": "object", "properties": {name: _FORM[name] for name in names}}
    if "image" in names:
        form["required"] = ["image"]
    return {"requestBody": {"content": {"multipart/form-data": {"schema": form}, JSON: {"schema": _ANY}}}}
