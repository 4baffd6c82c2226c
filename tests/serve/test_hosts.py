import asyncio

import pytest
from starlette.requests import Request

from mrcnn.serve import hosts
from mrcnn.serve.refusals import Refusal


def check(name, *allowed):
    headers = [] if name is None else [(b"host", name.encode("latin-1"))]
    asyncio.run(hosts.only(allowed)(Request({"type": "http", "headers": headers})))


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "127.0.0.1:5000", "localhost:5000", "LocalHost", "[::1]:5000", "192.0.2.7", "vision.lan:80"]
)
def test_this_machine_addresses_and_the_names_that_are_allowed_are_answered(name):
    check(name, "Vision.lan")


@pytest.mark.parametrize(
    "name", ["evil.example", "127.0.0.1.evil.example:5", "localhost.evil.example", "[::1", "", None]
)
def test_another_name_is_refused_and_said(name):
    with pytest.raises(Refusal) as caught:
        check(name)
    assert caught.value.status == 421
    assert str(caught.value).startswith("the service is not asked under the name ")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.0.2.7", False), ("vision.lan", False)],
)  # fmt: skip
def test_which_addresses_only_this_machine_reaches(host, expected):
    assert hosts.is_this_machine(host) is expected
