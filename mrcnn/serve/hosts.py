"""The names under which the service may be asked.

A web page's site can have its own name point at this machine and then ask, from the visitor's browser, what only this
machine may ask; the name in the request gives it away.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from starlette.requests import Request

from mrcnn.config import errors
from mrcnn.serve.refusals import Refusal

MISDIRECTED = 421


def is_this_machine(host: str) -> bool:
    """Tells whether an address is reached from this machine only."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def only(names: Sequence[str]) -> Callable[[Request], Awaitable[None]]:
    """Makes a dependency of endpoints that refuses names other than these, `localhost` and addresses of numbers."""
    known = {"localhost", *(name.lower() for name in names)}

    async def check(request: Request) -> None:
        given = request.headers.get("host", "")
        try:
            name = urlsplit(f"//{given}").hostname or ""
        except ValueError:
            name = given
        if name not in known and _address(name) is None:
            raise Refusal(
                f"the service is not asked under the name {errors.shown(name)}; ask 127.0.0.1, or start it with "
                "--allow-host and that name",
                status=MISDIRECTED,
            )

    return check


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
