"""Connections of clients that do not finish what they begin."""

import socket
import time
from urllib.parse import urlsplit

import pytest

from mrcnn.serve.limits import headers

from ..helpers import running

REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setattr(headers, "HEADER_SECONDS", 0.5)
    with running() as service:
        yield service


@pytest.fixture
def client(service):
    where = urlsplit(service.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as client:
        yield client


def closed_after(client, byte=b"a"):
    """Sends a byte every tenth of a second, and returns after how many seconds the server has closed."""
    begin = time.monotonic()
    client.settimeout(0.1)
    while time.monotonic() - begin < 20:
        try:
            client.sendall(byte)
            if client.recv(1000) == b"":
                return time.monotonic() - begin
        except TimeoutError:
            pass
        except (ConnectionError, BrokenPipeError):
            return time.monotonic() - begin
    return None


def answer(client):
    client.settimeout(30)
    text = b""
    while not text.endswith(b"}"):
        text += client.recv(1000)
    return text


def test_header_timeout_ends_a_client_that_sends_byte_by_byte(client):
    client.sendall(b"GET /health HTTP/1.1\r\nX: ")
    assert closed_after(client) is not None


def test_header_timeout_ends_a_client_that_sends_nothing(client):
    client.settimeout(20)
    assert client.recv(1) == b""


def test_header_timeout_counts_for_a_second_request_too(client):
    client.sendall(REQUEST)
    assert answer(client).startswith(b"HTTP/1.1 200")
    client.sendall(b"GET /health HTTP/1.1\r\nX: ")
    assert closed_after(client) is not None


def test_header_timeout_leaves_time_for_the_body(client):
    head = b"POST /model/get_out_meta HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n"
    client.sendall(head)
    time.sleep(1.5)  # three times the limit, while the body is awaited
    client.sendall(b"{}")
    assert answer(client).startswith(b"HTTP/1.1 ")


def test_header_timeout_accepts_headers_in_two_pieces(client):
    client.sendall(REQUEST[:20])
    time.sleep(0.1)
    client.sendall(REQUEST[20:])
    assert answer(client).startswith(b"HTTP/1.1 200")
