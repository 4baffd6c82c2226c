"""A service whose parent process is killed while clients wait for answers."""

import contextlib
import signal
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests

from tests.serve.process import Process

PATIENCE = 30.0  # seconds in which workers must end


def try_service(folder: Path, *, workers: int, kill_after: float) -> None:
    """Kills the parent, waits until its port is free, and starts again on the same port.

    Args:
        folder: for the file that lets the model work.
        workers: processes of the service.
        kill_after: seconds of requests before the kill.

    Raises:
        AssertionError: a worker keeps the port, or the new service does not answer.
    """
    gate = folder / "gate"
    gate.touch()
    with Process(gate, workers=workers) as service:
        port = urlsplit(service.url).port
        assert service.infer().status_code == 200, "the service does not answer"
        clients = [threading.Thread(target=_ask, args=(service,), daemon=True) for _ in range(3)]
        for client in clients:
            client.start()
        time.sleep(kill_after)
        service.end(signal.SIGKILL)
        for client in clients:
            client.join(PATIENCE)
        _wait_until_free(port)
    with Process(gate, workers=workers, port=port) as service:
        assert service.infer().status_code == 200, "the service does not answer when it is started again"
        assert service.end(signal.SIGTERM) == 0, "the service does not end well"


def _ask(service: Process) -> None:
    with contextlib.suppress(requests.RequestException):  # in the end nobody answers
        while True:
            service.infer()


def _wait_until_free(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
        assert time.monotonic() < end, f"port {port} is still held {PATIENCE:g} s after the parent was killed"
        time.sleep(0.1)
