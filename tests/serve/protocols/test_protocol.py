import asyncio
import json

import pytest

from mrcnn.serve.protocols import protocol
from mrcnn.serve.protocols.protocol import Protocol, Query
from mrcnn.serve.responses import RequestError

from ..helpers import image_bytes, make_handler, request


class Counting(Protocol[Query]):
    """Answers with the number of objects of each image; a request is the list of the images' grey values."""

    prefix, tag = "/count", "Counting"

    def add_routes(self, router):
        router.add_api_route("/objects", self.predict, methods=["POST"])

    async def read(self, request):
        values = await self.handler.parse_json(request, json.loads)
        return Query(images=[image_bytes(4, 6, value) for value in values])

    def run(self, query, image, disconnect):
        return str(len(self.handler.service.detect(image, disconnect).boxes))


class Listing(Counting):
    def write(self, query, texts):
        return json.dumps(texts)


@pytest.fixture(scope="module")
def handler():
    with make_handler() as made:
        yield made


def predict(dialect, values):
    return asyncio.run(dialect.predict(request(json.dumps(values).encode())))


def test_predict_writes_what_run_wrote_for_the_only_image(handler):
    response = predict(Counting(handler), [204])
    assert (response.status_code, response.media_type, response.body) == (200, "application/json", b"2")
    assert predict(Counting(handler), [0]).body == b"0"


def test_predict_keeps_the_order_of_several_images(handler):
    assert predict(Listing(handler), [204, 0, 20]).body == b'["2", "0", "1"]'
    assert predict(Listing(handler), []).body == b"[]"


def test_predict_refuses_several_images_whose_answers_are_too_large_together(handler, monkeypatch):
    monkeypatch.setattr(protocol, "MOST_RESPONSE_BYTES", 0)
    assert predict(Listing(handler), [204]).body == b'["2"]'
    with pytest.raises(RequestError, match="the answer is larger than 0 bytes; send fewer images") as caught:
        predict(Listing(handler), [204, 204])
    assert caught.value.status == 413


def test_make_router_has_prefix_tag_and_admission(handler):
    (route,) = Counting(handler).make_router().routes
    assert (route.path, route.tags, route.methods) == ("/count/objects", ["Counting"], {"POST"})
    assert [item.dependency for item in route.dependencies] == [handler.admit]


def test_protocol_dialect_without_its_steps_cannot_be_made(handler):
    with pytest.raises(TypeError, match="abstract method"):
        Protocol(handler)
