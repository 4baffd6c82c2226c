import asyncio

import pytest
from starlette.requests import Request

from mrcnn.serve.limits import hosts
from mrcnn.serve.responses import RequestError


def check(name, *allowed):
    headers = [] if name is None else [(b"host", name.encode("latin-1"))]
    return asyncio.run(hosts.require_known(allowed)(Request({"type": "http", "headers": headers})))


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "127.0.0.1:5000", "localhost:5000", "LocalHost", "[::1]:5000", "192.0.2.7", "vision.lan:80"]
)
def test_require_known_accepts_this_machine_addresses_and_allowed_names(name):
    assert check(name, "Vision.lan") is None


@pytest.mark.parametrize(
    "name", ["evil.example", "127.0.0.1.evil.example:5", "localhost.evil.example", "[::1", "", None]
)
def test_require_known_refuses_another_name(name):
    with pytest.raises(RequestError) as caught:
        check(name)
    assert caught.value.status == 421
    assert str(caught.value).startswith("the service is not asked under the name ")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.0.2.7", False), ("vision.lan", False)],
)  # fmt: skip
def test_is_loopback(host, expected):
    assert hosts.is_loopback(host) is expected
