"""Downloads of images, from a server on this machine alone."""

import http.server
import io
import threading
import time

import numpy as np
import pytest
from PIL import Image

from mrcnn.errors import UserError
from mrcnn.predict import inputs, url_images

BUFFER = io.BytesIO()
Image.new("RGB", (6, 4), (204, 51, 102)).save(BUFFER, "PNG")
PNG = BUFFER.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the path of the request."""

    def do_GET(self):
        kind = self.path.partition("?")[0]
        with_length = {"/a.png": len(PNG), "/cut": 1000, "/large": 10**12, "/text": 2}.get(kind)
        if kind == "/late":
            time.sleep(1)
        if kind == "/garbage":
            self.wfile.write(b"no answer of HTTP\r\n\r\n")
            return
        self.send_response({"/missing": 404, "/to_file": 302, "/to_png": 302}.get(kind, 200))
        place = {"/to_file": "file:///etc/hostname", "/to_png": "/a.png"}.get(kind)
        if place:
            self.send_header("Location", place)
        if with_length is not None:
            self.send_header("Content-Length", str(with_length))
        self.end_headers()
        self.wfile.write({"/text": b"hi", "/missing": b"", "/endless": b"0" * 5000}.get(kind, PNG))
        if kind == "/drip":
            for _ in range(10):
                time.sleep(0.1)
                self.wfile.write(b"0")

    def log_message(self, *arguments):
        """Keeps the log empty."""


class Server(http.server.ThreadingHTTPServer):
    """Ends no test by an error that the client caused."""

    def handle_error(self, *arguments):
        """A client that gave up breaks the pipe."""


@pytest.fixture
def server(monkeypatch):
    """Runs a server; its address."""
    monkeypatch.setenv("no_proxy", "*")
    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_fetch_downloads_a_file_also_through_a_redirection(server):
    for path in ("/a.png", "/to_png", "/a.png?size=1"):
        assert url_images.fetch(server + path).tobytes() == PNG
    assert url_images.fetch(f"{server}/unknown-length").tobytes() == PNG


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing", "the server answered 404 Not Found"),
        ("/to_file", "the server answered 302 "),
        ("/cut", f"the answer ended after {len(PNG)} of 1000 bytes; try again"),
        ("/large", "it is larger than 4000 bytes; download it and give its path"),
        ("/endless", "it is larger than 4000 bytes; download it and give its path"),
        ("/late", "it took longer than 0.3 s; download it and give its path"),
        ("/drip", "it took longer than 0.3 s; download it and give its path"),
        ("/garbage", "the answer or the address is no valid HTTP (BadStatusLine"),
    ],
)
def test_fetch_has_one_line_for_each_failure(server, path, reason):
    with pytest.raises(UserError) as caught:
        url_images.fetch(server + path + "?token=secret", most=4000, seconds=0.3)
    assert str(caught.value).startswith(f"cannot read the image {server}{path}: {reason}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:9/a.png", "Connection refused; check the address and the network"),
        ("http://127.0.0.1:port/a.png", "the answer or the address is no valid HTTP (InvalidURL"),
        ("http:///a.png", "no host given; check the address"),
        ("file:///etc/hostname", "must begin with http:// or https://, got file://"),
    ],
)
def test_fetch_names_a_wrong_address(url, reason, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(UserError) as caught:
        url_images.fetch(url)
    assert reason in str(caught.value)


def test_shown_leaves_out_secrets():
    assert url_images.shown("https://me:pw@a.org:80/b/c.png?key=1#2") == "https://a.org:80/b/c.png"
    assert url_images.shown("http://a.org?key=a/b") == "http://a.org"
    assert not url_images.is_url("C:\\photos\\a.png")
    assert not url_images.is_url("photos/a.png")


def test_check_allowed_names_the_argument():
    url_images.check_allowed(np.zeros(3), allow_urls=False)
    url_images.check_allowed("HTTP://a.org/b.png", allow_urls=True)
    with pytest.raises(UserError, match="`allow_urls=True` downloads it"):
        url_images.check_allowed("HTTP://a.org/b.png", allow_urls=False)


def test_read_all_reads_urls_only_when_asked(server):
    [pixels] = inputs.read_all([f"{server}/a.png"], channels=3, allow_urls=True)
    assert (pixels == (204, 51, 102)).all()
    with pytest.raises(ValueError, match=r"image 0: .*`allow_urls=True` downloads it"):
        next(inputs.read_all(iter([f"{server}/a.png"]), channels=3))
    with pytest.raises(ValueError, match=r"image 0: cannot decode the image http://127.*/text: it is cut off or in no"):
        next(inputs.read_all([f"{server}/text"], channels=3, allow_urls=True))
