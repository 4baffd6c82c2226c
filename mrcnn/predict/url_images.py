"""Downloads images that are given as URLs, within limits of size and time."""

import http.client
import queue
import re
import threading
import urllib.error
import urllib.request
from typing import Any

import numpy as np

from mrcnn.errors import UserError
from mrcnn.images.limits import MEGABYTE

SCHEMES = ("http", "https")
MOST_BYTES = 100 * MEGABYTE  # of a file
SECONDS = 30.0  # for the whole download
CHUNK = 2**16  # bytes
AGENT = "mrcnn"  # some servers answer nothing to Python's own name

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def is_url(image: Any) -> bool:
    """Checks whether an input is a text that begins with a scheme and `://`."""
    return isinstance(image, str) and _SCHEME.match(image) is not None


def check_allowed(image: Any, *, allow_urls: bool) -> None:
    """Checks that an input is no URL, or one that may be read.

    Raises:
        UserError: it is a URL and `allow_urls` is false, or its scheme is none of `SCHEMES`.
    """
    if not is_url(image):
        return
    scheme = image.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise UserError(f"the image URL {shown(image)} must begin with http:// or https://, got {scheme}://")
    if not allow_urls:
        raise UserError(f"the image {shown(image)} is a URL, which is not read; `allow_urls=True` downloads it")


def shown(url: str) -> str:
    """Formats a URL for messages, without user name, password, query and fragment, which may hold secrets."""
    scheme, _, rest = url.partition("://")
    host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def fetch(url: str, *, most: int = MOST_BYTES, seconds: float = SECONDS) -> np.ndarray:
    """Downloads a file over HTTP or HTTPS.

    Redirections to other schemes are not followed. Proxies are those of the environment.

    Args:
        url: of the file.
        most: largest size of the file, bytes.
        seconds: time limit of the whole download, with the look-up of the host's name.

    Returns:
        `[n]` uint8, the file's bytes.

    Raises:
        UserError: the scheme is another one, the server cannot be reached or answers with an error, the answer is cut
            off, or a limit is exceeded.
    """
    check_allowed(url, allow_urls=True)
    answers: queue.Queue[bytes | Exception] = queue.Queue(1)
    late = threading.Event()
    # the look-up of a name has no time limit of its own, and each piece of an answer may take as long as it likes
    work = threading.Thread(target=_answer, args=(url, answers), kwargs={"most": most, "late": late}, daemon=True)
    work.start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        late.set()
        answer = UserError(f"it took longer than {seconds:g} s; download it and give its path")
    if isinstance(answer, Exception):
        raise UserError(f"cannot read the image {shown(url)}: {_why(answer)}") from answer
    return np.frombuffer(answer, np.uint8)


def _answer(url: str, answers: "queue.Queue[bytes | Exception]", *, most: int, late: threading.Event) -> None:
    try:
        answers.put(_download(url, most=most, late=late))
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        answers.put(UserError(f"the server answered {error.code} {error.reason}"))
    except Exception as error:
        answers.put(error)


def _download(url: str, *, most: int, late: threading.Event) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": AGENT})
    with _opener().open(request, timeout=SECONDS) as answer:
        length = answer.headers.get("Content-Length", "")
        expected = int(length) if length.isdecimal() else None
        content = bytearray()
        while not late.is_set():
            _check_size(max(len(content), expected or 0), most)
            chunk = answer.read1(CHUNK)
            if not chunk:
                break
            content += chunk
    if expected is not None and len(content) < expected:
        raise UserError(f"the answer ended after {len(content)} of {expected} bytes; try again")
    return bytes(content)


def _check_size(size: int, most: int) -> None:
    if size > most:
        limit = f"{most // MEGABYTE} MB" if most >= MEGABYTE else f"{most} bytes"
        raise UserError(f"it is larger than {limit}; download it and give its path")


def _opener() -> urllib.request.OpenerDirector:
    """Makes an opener for HTTP and HTTPS alone; urllib's usual one also opens local files and FTP."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def _why(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, urllib.error.URLError):
        return f"{error.reason}; check the address and the network"
    if isinstance(error, http.client.HTTPException):
        return f"the answer or the address is no valid HTTP ({type(error).__name__}: {error})"
    return f"{type(error).__name__}: {error}"
