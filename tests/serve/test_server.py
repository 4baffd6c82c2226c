"""Sockets, and the process: signals, several workers, the library's messages."""

import logging
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mrcnn.events import UserError
from mrcnn.serve import server

from .helpers import ListLog, await_in_progress
from .process import Process


def test_a_free_port_is_found_and_the_address_is_a_url():
    with server.bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert port > 0
        assert server.address(taken) == f"http://127.0.0.1:{port}"


def test_who_connects_before_the_service_is_ready_waits():
    with server.bind("127.0.0.1", 0) as taken, socket.create_connection(taken.getsockname(), timeout=5):
        assert taken.accept()[0].close() is None


def test_a_taken_port_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError) as caught:
            server.bind("127.0.0.1", port)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1 port {port}: Address already in use; choose another --host or --port"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "x" * 300])
def test_an_address_that_is_not_here_is_one_line(host):
    with pytest.raises(UserError, match=f"cannot listen on {host} port 0: .+; choose another --host or --port"):
        server.bind(host, 0)


def test_the_librarys_warnings_become_lines_of_the_log():
    log = ListLog()
    with server._library_log(log):
        logging.getLogger("uvicorn.error").info("Started")
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
        try:
            raise ValueError("late")
        except ValueError:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    logging.getLogger("uvicorn.error").debug("after")
    assert log.lines == [("warn", "Invalid HTTP request received.", {}), ("error", "Exception in ASGI application", {})]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_drains(number, code, tmp_path):
    gate = tmp_path / "gate"
    with Process(gate, batch_size=1) as process, ThreadPoolExecutor(5) as clients:
        futures = [clients.submit(process.infer) for _ in range(5)]
        await_in_progress(process.url, 5)
        threading.Timer(0.3, gate.touch).start()
        assert process.end(number) == code
        assert [future.result(60).status_code for future in futures] == [200] * 5
    messages = [event["message"] for event in process.events]
    assert "stopped: all requests are answered" in messages
    assert not [event for event in process.events if event["level"] in ("error", "fatal")]


@pytest.mark.slow
def test_workers_share_the_port_and_the_numbers_and_a_dead_one_is_replaced(tmp_path):
    with Process(tmp_path, workers=2) as process:
        with ThreadPoolExecutor(8) as clients:
            answers = list(clients.map(lambda number: process.infer(), range(16)))
        assert [answer.status_code for answer in answers] == [200] * 16
        text = process.metrics()
        assert 'mrcnn_requests_total{path="/model/inference",status="200"} 16.0' in text
        children = subprocess.run(
            ["pgrep", "-P", str(process.process.pid), "-f", "spawn_main"], capture_output=True, text=True
        )
        victim = int(children.stdout.split()[0])
        subprocess.run(["kill", "-9", str(victim)], check=True)
        assert process._ready.acquire(timeout=120)  # its successor
        assert process.infer().status_code == 200
        assert process.end(signal.SIGTERM) == 0
