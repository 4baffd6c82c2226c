"""DNS rebinding check: accepts only requests whose Host header holds a known name.

A web site can make its own domain name resolve to this machine. Its page then reaches, from a visitor's browser, a
service that listens on this machine only. Such a request carries the site's name in its Host header.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from starlette.requests import Request

from mrcnn.config import errors
from mrcnn.serve.responses import RequestError

MISDIRECTED = 421


def is_loopback(host: str) -> bool:
    """Checks whether a listening address is a loopback address, reached from this machine only."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def require_known(names: Sequence[str]) -> Callable[[Request], Awaitable[None]]:
    """Builds a FastAPI dependency that refuses unknown names in the Host header.

    Args:
        names: accepted besides `localhost` and every IP address; upper and lower case are equal.

    Returns:
        The dependency; for another name it raises a `RequestError` with status 421.
    """
    known = {"localhost", *(name.lower() for name in names)}

    async def check(request: Request) -> None:
        given = request.headers.get("host", "")
        try:
            name = urlsplit(f"//{given}").hostname or ""
        except ValueError:
            name = given
        if name not in known and _address(name) is None:
            raise RequestError(
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
