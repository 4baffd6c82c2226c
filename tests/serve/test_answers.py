import asyncio

import pytest
from starlette.requests import ClientDisconnect

from mrcnn.serve import answers
from mrcnn.serve.answers import JSONAnswer


def send_all(answer, wait=0.0):
    """Gives the messages of an answer, each taken after so many seconds."""
    sent = []

    async def send(message):
        await asyncio.sleep(wait)
        sent.append(message)

    asyncio.run(answer({"type": "http"}, None, send))
    return sent


@pytest.mark.parametrize(
    ("length", "pieces"),
    [(0, [0]), (2, [2, 0]), (answers.PIECE, [answers.PIECE, 0]), (answers.PIECE + 1, [answers.PIECE, 1, 0])],
)
def test_an_answer_goes_out_in_pieces(length, pieces):
    head, *body = send_all(JSONAnswer("1" * length))
    assert (head["type"], head["status"]) == ("http.response.start", 200)
    assert dict(head["headers"]) == {b"content-length": b"%d" % length, b"content-type": b"application/json"}
    assert [len(message["body"]) for message in body] == pieces
    assert b"".join(message["body"] for message in body) == b"1" * length
    assert [message.get("more_body", False) for message in body] == [True] * (len(pieces) - 1) + [False]


def test_a_client_that_does_not_read_counts_as_gone(monkeypatch):
    monkeypatch.setattr(answers, "SECONDS", 0.05)
    with pytest.raises(ClientDisconnect):
        send_all(JSONAnswer("{}"), wait=5.0)
    assert len(send_all(JSONAnswer("1" * answers.SLOWEST), wait=0.05)) == 3  # a second more than the shortest may take
