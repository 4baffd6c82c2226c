"""The middleware alone, around small ASGI apps."""

import asyncio
import json

import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from mrcnn.serve.metrics import Metrics
from mrcnn.serve.middleware import Monitoring

from .helpers import ListLog

PICTURE = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" * 1000


class Route:
    def __init__(self, path):
        self.path = path


def ask(app, path="/model/inference", method="POST"):
    """Sends a request through; returns the messages sent, the log and the metrics' text."""
    log, metrics, sent = ListLog(), Metrics(), []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/secret", "query_string": b"mode=secret", "route": Route(path)}
    monitoring = Monitoring(app, metrics=metrics, log=log)
    asyncio.run(monitoring(scope, None, send))
    return sent, log, metrics.render().decode()


async def fine(scope, receive, send):
    await Response("hello")(scope, receive, send)


def test_monitoring_counts_and_logs_by_path_template():
    sent, log, text = ask(fine)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert 'mrcnn_requests_total{path="/model/inference",status="200"} 1.0' in text
    (level, line, fields) = log.lines[0]
    assert (level, fields["method"], fields["path"], fields["status"]) == ("info", "POST", "/model/inference", 200)
    assert line.startswith("POST /model/inference 200 in 0.0")
    assert "secret" not in log.text


def test_monitoring_counts_but_does_not_log_quiet_paths():
    _, log, text = ask(fine, "/health", "GET")
    assert log.lines == []
    assert 'path="/health"' in text


def test_monitoring_answers_an_unexpected_error_with_500_and_one_line_without_the_data():
    async def broken(scope, receive, send):
        raise ValueError(f"cannot read {PICTURE[:20]!r}\n of \xff\x00{PICTURE!r:.500}")

    sent, log, text = ask(broken)
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"]) == {
        "error": "the service failed at this request (ValueError); its log says more"
    }
    assert 'status="500"} 1.0' in text
    level, line, _ = log.lines[0]
    assert level == "error"
    assert line.startswith("POST /model/inference failed: ValueError: cannot read '...' of '...''...'; at")
    assert "JFIF" not in line
    assert line.endswith("; at test_middleware.py:" + line.rpartition(":")[2])
    assert len(line) < 300
    assert line.isprintable()


def test_monitoring_keeps_the_message_of_a_library():
    async def full(scope, receive, send):
        raise MemoryError("OOM when allocating tensor with shape[4,256,256,256]")

    _, log, _ = ask(full)
    assert log.lines[0][1].startswith(
        "POST /model/inference failed: MemoryError: OOM when allocating tensor with shape[4,256,256,256]; at"
    )


def test_monitoring_does_not_log_a_made_up_method():
    _, log, _ = ask(fine, method="SECRET")
    assert (log.lines[0][2]["method"], "SECRET" in log.text) == ("unknown", False)


def test_monitoring_raises_after_half_a_response():
    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        ask(half)


def test_monitoring_counts_a_client_that_left_as_499():
    async def left(scope, receive, send):
        raise ClientDisconnect

    sent, log, text = ask(left)
    assert sent == []
    assert 'status="499"} 1.0' in text
    assert log.lines[0][0] == "info"


def test_monitoring_answers_503_when_cancelled():
    async def cancelled(scope, receive, send):
        raise asyncio.CancelledError

    sent, _, text = ask(cancelled)
    assert (sent[0]["status"], json.loads(sent[1]["body"])) == (503, {"error": "the service is stopping"})
    assert 'status="503"} 1.0' in text

    async def half(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        ask(half)


def test_monitoring_turns_head_into_get():
    async def tell(scope, receive, send):
        await Response(scope["method"])(scope, receive, send)

    sent, log, _ = ask(tell, method="HEAD")
    assert sent[1]["body"] == b"GET"
    assert log.lines[0][2]["method"] == "HEAD"


def test_monitoring_passes_other_events_through():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    asyncio.run(Monitoring(app, metrics=Metrics(), log=ListLog())({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]
