"""Sockets, and the process: signals, several workers, the library's messages."""

import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from mrcnn.errors import UserError
from mrcnn.serve import server

from .helpers import ListLog, await_in_progress, image_bytes
from .process import ROOT, Process


def test_bind_finds_a_free_port_and_address_is_a_url():
    with server.bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert port > 0
        assert server.address(taken) == f"http://127.0.0.1:{port}"


def test_bind_lets_early_clients_wait():
    with server.bind("127.0.0.1", 0) as taken, socket.create_connection(taken.getsockname(), timeout=5):
        assert taken.accept()[0].close() is None


def test_bind_to_a_taken_port_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError) as caught:
            server.bind("127.0.0.1", port)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1 port {port}: Address already in use; choose another --host or --port"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "x" * 300])
def test_bind_to_a_foreign_address_is_one_line(host):
    with pytest.raises(UserError, match=f"cannot listen on {host} port 0: .+; choose another --host or --port"):
        server.bind(host, 0)


@pytest.fixture
def library_log():
    """What libraries say, until the end of the test."""
    root, chatty = logging.getLogger(), [logging.getLogger(name) for name in server.CHATTY]
    handlers, levels, log = root.handlers, [logger.level for logger in chatty], ListLog()
    with warnings.catch_warnings():
        server.forward_library_logs(log)
        yield log
        logging.captureWarnings(False)
    root.handlers = handlers
    for logger, level in zip(chatty, levels, strict=True):
        logger.setLevel(level)


def test_forward_library_logs_turns_warnings_into_lines_of_the_log(library_log, capfd):
    logging.getLogger("uvicorn.error").info("Started")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    try:
        raise ValueError("late")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    logging.getLogger("asyncio").error("socket.accept() out of system resource\nsocket: 3")
    logging.getLogger("uvicorn.error").error("ASGI callable returned without completing response.")
    logging.getLogger("python_multipart.multipart").warning("Found invalid character 195 in header at 9")
    logging.getLogger("PIL.TiffImagePlugin").error("More samples per pixel than can be decoded: 2048")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning("odd EXIF block", UserWarning, "TiffImagePlugin.py", 7)
    assert library_log.lines == [
        ("warn", "Invalid HTTP request received.", {}),
        ("error", "Exception in ASGI application", {}),
        ("error", "socket.accept() out of system resource", {}),
        ("warn", "TiffImagePlugin.py:7: UserWarning: odd EXIF block", {}),
    ]
    assert capfd.readouterr() == ("", "")


def test_forward_library_logs_limits_repeated_lines(library_log, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    for second in (0, 1, 9.9, 10, 11):
        clock[0] = 100.0 + second
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("uvicorn.error").warning("another")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    messages = [line[1] for line in library_log.lines]
    assert messages == ["Invalid HTTP request received."] * 2 + ["another", "Invalid HTTP request received."]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_run_one_drains_after_a_signal(number, code, tmp_path):
    gate = tmp_path / "gate"
    with Process(gate, batch_size=1) as process, ThreadPoolExecutor(5) as clients:
        futures = [clients.submit(process.infer) for _ in range(5)]
        await_in_progress(process.url, 5)
        threading.Timer(0.3, gate.touch).start()
        assert process.end(number) == code
        assert [future.result(60).status_code for future in futures] == [200] * 5
    messages = [event["message"] for event in process.events]
    assert "stopped" in messages
    assert not [event for event in process.events if event["level"] in ("error", "fatal")]


def test_run_one_answers_503_after_drain_seconds(tmp_path):
    tmp_path.joinpath("gate").touch()
    mode = json.dumps({"name": "sliding_window", "window": {"width": 1, "height": 1}})  # 10000 windows
    with Process(tmp_path / "gate", batch_size=1, drain_seconds=1) as process, ThreadPoolExecutor(1) as clients:
        future = clients.submit(process.infer, image_bytes(100, 100), mode=mode)
        await_in_progress(process.url, 1)
        assert process.end(signal.SIGTERM, seconds=10) == 0
        answer = future.result(60)
    assert (answer.status_code, answer.json()) == (503, {"error": "the service is stopping"})
    assert process.events[-1]["message"] == "stopped"


@pytest.mark.parametrize(
    ("soft", "hard", "set_to"),
    [(1024, 4096, 4096), (1024, 10**9, 65536), (1024, -1, 65536), (65536, -1, None), (-1, -1, None), (256, 256, None)],
)
def test_raise_file_limit_to_what_the_system_allows(soft, hard, set_to, monkeypatch):
    calls = []
    monkeypatch.setattr(server.resource, "getrlimit", lambda kind: (soft, hard))
    monkeypatch.setattr(server.resource, "setrlimit", lambda kind, limits: calls.append(limits))
    server.raise_file_limit()
    assert calls == ([] if set_to is None else [(set_to, hard)])


@pytest.mark.slow
def test_run_many_ends_when_a_worker_cannot_start(tmp_path):
    command = [sys.executable, "deploy.py", "serve", "--model", tmp_path / "model", "--workers", "2", "--port", "0"]
    model = tmp_path / "model" / "model_weights"
    model.mkdir(parents=True)
    model.joinpath("model.h5").write_text("no weights")
    classes = [{"title": "cat", "shape": "bitmap", "color": "#00FF00"}]
    content = {
        "settings": {"input_size": {"min_dim": 64, "max_dim": 64}},
        "classes": classes,
        "class_title_to_idx": {"bg": 0, "cat": 1},
    }
    model.parent.joinpath("config.json").write_text(json.dumps(content))
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 1
    assert "is not an HDF5 file" in done.stderr
    assert "a worker could not start; the message before this one says why" in done.stderr


@pytest.mark.slow
def test_run_many_shares_port_and_metrics_and_replaces_a_dead_worker(tmp_path):
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


@pytest.mark.slow
def test_run_many_and_stop_with_parent_end_workers_whose_parent_is_killed(tmp_path):
    with Process(tmp_path, workers=2) as process:
        where = urlsplit(process.url)
        pids = subprocess.run(["pgrep", "-P", str(process.process.pid)], capture_output=True, text=True).stdout.split()
        process.process.kill()
        process.process.wait(60)
        assert len(pids) >= 2
        deadline = time.monotonic() + 60
        while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
        server.bind(where.hostname, where.port).close()
