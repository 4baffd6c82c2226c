import asyncio
import json

import pytest
from starlette.requests import ClientDisconnect

from mrcnn.errors import UserError
from mrcnn.serve import responses
from mrcnn.serve.responses import JSONTextResponse, RequestError


def test_request_error_from_error_is_json_with_its_status():
    answer = responses.from_error(RequestError("too large", status=413))
    assert (answer.status_code, answer.media_type) == (413, "application/json")
    assert json.loads(answer.body) == {"error": "too large"}
    assert "retry-after" not in answer.headers


def test_from_error_of_another_user_error_is_400():
    assert responses.from_error(UserError("`mode.name` is wrong")).status_code == 400


def test_request_error_from_error_has_retry_after():
    assert responses.from_error(RequestError("busy", status=503, retry_after=5)).headers["retry-after"] == "5"


def test_error_response_shortens_a_long_line():
    text = json.loads(responses.error_response("x" * 501, status=400).body)["error"]
    assert text == "x" * 497 + "..."


def test_error_response_keeps_half_letters():
    assert json.loads(responses.error_response("\ud800", status=400).body) == {"error": "\ud800"}


def send_all(answer, wait=0.0):
    """Collects the messages of a response, reading each after so many seconds."""
    sent = []

    async def send(message):
        await asyncio.sleep(wait)
        sent.append(message)

    asyncio.run(answer({"type": "http"}, None, send))
    return sent


@pytest.mark.parametrize(
    ("length", "pieces"),
    [(0, [0]), (2, [2, 0]), (responses.CHUNK, [responses.CHUNK, 0]), (responses.CHUNK + 1, [responses.CHUNK, 1, 0])],
)
def test_json_text_response_goes_out_in_chunks(length, pieces):
    head, *body = send_all(JSONTextResponse("1" * length))
    assert (head["type"], head["status"]) == ("http.response.start", 200)
    assert dict(head["headers"]) == {b"content-length": b"%d" % length, b"content-type": b"application/json"}
    assert [len(message["body"]) for message in body] == pieces
    assert b"".join(message["body"] for message in body) == b"1" * length
    assert [message.get("more_body", False) for message in body] == [True] * (len(pieces) - 1) + [False]


def test_json_text_response_treats_a_client_that_does_not_read_as_disconnected(monkeypatch):
    monkeypatch.setattr(responses, "SECONDS", 0.05)
    with pytest.raises(ClientDisconnect):
        send_all(JSONTextResponse("{}"), wait=5.0)
    assert (
        len(send_all(JSONTextResponse("1" * responses.SLOWEST), wait=0.05)) == 3
    )  # a second more than the shortest may take
