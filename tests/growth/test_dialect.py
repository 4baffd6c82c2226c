"""A REST dialect that is defined in this file alone answers with the detections of a whole network."""

import base64
import json
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import requests
from fastapi import APIRouter, Request, Response

from mrcnn.models import build
from mrcnn.predict.predictor import Predictor
from mrcnn.serve import app
from mrcnn.serve.limits import json_text
from mrcnn.serve.protocols.protocol import Protocol, Query
from mrcnn.serve.responses import RequestError
from tests.export import helpers as networks
from tests.serve.helpers import running


@dataclass(frozen=True, kw_only=True)
class CornersQuery(Query):
    at_least: float


class Corners(Protocol[CornersQuery]):
    """Finds objects in several pictures; answers with the corners of the boxes that score high enough."""

    prefix, tag = "/corners", "Corners"

    def add_routes(self, router: APIRouter) -> None:
        @router.post("/find")
        async def find(request: Request) -> Response:
            """Finds the objects of several pictures."""
            return await self.predict(request)

    async def read(self, request):
        return await self.handler.parse_json(request, self.read_text)

    def read_text(self, text):
        values = json_text.parse(text, name="body")
        if not isinstance(values, dict) or not isinstance(values.get("pictures"), list):
            raise RequestError("`pictures` must be a list")
        pictures = [json_text.decode_base64(value, name="pictures") for value in values["pictures"]]
        return CornersQuery(images=pictures, at_least=values.get("at_least", 0.0))

    def run(self, query, image, disconnect):
        found = self.handler.service.detect(image, disconnect)
        return json.dumps(found.boxes[found.scores >= query.at_least].tolist())

    def write(self, query, texts):
        return f'{{"model": "{self.handler.model_name}", "corners": [{", ".join(texts)}]}}'


@pytest.fixture(scope="module")
def predictor():
    keras.utils.set_random_seed(0)
    model = build.build_model(networks.SMALL, num_classes=3)
    predictor = Predictor(networks.make_bundle(model, config=networks.SMALL, side=networks.SIDE))
    predictor.predict_compact([np.zeros((networks.SIDE, networks.SIDE, 3), np.uint8)])  # builds the graph
    return predictor


@pytest.fixture(scope="module")
def service(predictor):
    with running(predictor, protocols={**app.PROTOCOLS, "corners": Corners}) as found:
        yield found


def find(service, **body):
    return requests.post(f"{service.url}/corners/find", json=body, timeout=60)


def test_make_app_serves_a_dialect_that_is_passed_to_it(service, predictor):
    photos = [networks.photo(60, 80, seed=1), networks.photo(90, 70, seed=2)]
    answer = find(service, pictures=[base64.b64encode(networks.encode(photo)).decode() for photo in photos])
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"model", "corners"}
    assert answer.json()["model"] == "mrcnn"
    for photo, corners in zip(photos, answer.json()["corners"], strict=True):
        (expected,) = predictor.predict_compact([photo])
        assert len(expected.boxes) >= 1
        np.testing.assert_allclose(corners, expected.boxes, atol=1e-3)


def test_read_of_a_dialect_may_refuse_or_choose(service):
    refused = find(service, pictures="one")
    assert (refused.status_code, refused.json()) == (400, {"error": "`pictures` must be a list"})
    picture = base64.b64encode(networks.encode(networks.photo(60, 80))).decode()
    assert find(service, pictures=[picture], at_least=1.1).json() == {"model": "mrcnn", "corners": [[]]}


def test_make_app_describes_logs_and_counts_a_dialect(service):
    assert find(service, pictures=[]).json() == {"model": "mrcnn", "corners": []}
    described = requests.get(f"{service.url}/openapi.json", timeout=60).json()["paths"]["/corners/find"]["post"]
    assert (described["tags"], described["description"]) == (["Corners"], "Finds the objects of several pictures.")
    assert any(fields.get("path") == "/corners/find" for _, _, fields in service.log.lines)
    assert 'path="/corners/find",status="200"' in requests.get(f"{service.url}/metrics", timeout=60).text
