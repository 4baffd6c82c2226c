"""The pages, as text and in a real browser."""

import re
from dataclasses import replace

import numpy as np
import pytest
import requests
from PIL import Image

from mrcnn.predict.predictor import Predictor
from mrcnn.project.meta import ClassMeta
from mrcnn.serve import native

from . import browser
from .helpers import image_bytes, make_bundle, running

needs_browser = pytest.mark.skipif(browser.MISSING is not None, reason=str(browser.MISSING))


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_try_out_and_docs_pages_may_ask_their_own_server_only(service, path):
    response = requests.get(service.url + path, timeout=60)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


def test_content_security_policy_allows_only_the_pages_own_script_and_style():
    # printf 'go()' | openssl dgst -sha256 -binary | base64
    script, style = "5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw=", "7yqHVAesot11p6HczDsgKRipvI5UPgs97z80zNXlans="
    found = native.content_security_policy("<style>b{}</style><p>x</p><script>go()</script>")
    assert f"; script-src 'sha256-{script}'; style-src 'sha256-{style}'; " in found


@pytest.mark.parametrize("path", sorted(native.FOLDER.glob("*.html")), ids=lambda path: path.name)
def test_pages_name_no_other_server(path):
    assert re.findall(r"https?://|//[a-z]+\.|<script src|<link rel=.stylesheet|@import|url\(", path.read_text()) == []


@pytest.fixture(scope="module")
def window(service):
    with browser.browsing() as found:
        yield found


@pytest.fixture
def page(window, service):
    window.open(f"{service.url}/")
    window.wait_for("#status", "Ready")
    return window


def picture(folder, value=200, name="photo.png"):
    path = folder / name
    path.write_bytes(image_bytes(40, 60, value))
    return path


def pixel(page, x, y):
    """Reads a pixel of the picture, which is 60 wide and shown 15 times as large."""
    script = "return [...document.querySelector('canvas').getContext('2d').getImageData(args[0], args[1], 1, 1).data]"
    return page.run(script, 15 * x + 7, 15 * y + 7)[:3]


def slide(page, value):
    script = "const bar = document.querySelector(args[0]); bar.value = args[1]; bar.dispatchEvent(new Event('input'))"
    page.run(script, "#threshold", value)


@needs_browser
class TestInABrowser:
    def test_try_out_page_offers_the_models_classes_with_their_colours(self, page):
        script = "return [...document.querySelectorAll('#classes label')].map((row) => row.textContent)"
        assert page.run(script) == ["cat", "dog"]
        script = "return [...document.querySelectorAll('.swatch')].map((item) => item.style.background)"
        assert page.run(script) == ["rgb(255, 0, 0)", "rgb(0, 255, 0)"]

    def test_try_out_page_shows_a_name_written_like_html_as_text(self, window, tmp_path):
        name = "<img src=x onerror='document.title = 7'><b>cat</b>"
        bundle = make_bundle()
        names = (bundle.class_names[0], name, bundle.class_names[2])
        metas = (ClassMeta(name, "bitmap", "#FF0000"), bundle.class_metas[1])
        with running(Predictor(replace(bundle, class_names=names, class_metas=metas))) as service:
            window.open(f"{service.url}/")
            window.wait_for("#status", "Ready")
            window.choose_file("#file", picture(tmp_path))
            window.wait_for("#status", "2 of 2 objects shown")
            assert window.text("#classes label") == f"{name}1"
            script = "return [document.title, document.querySelectorAll('#classes img, #classes b').length]"
            assert window.run(script) == ["Mask R-CNN", 0]

    def test_try_out_page_shows_a_chosen_picture_with_its_objects(self, page, tmp_path):
        page.choose_file("#file", picture(tmp_path))
        page.wait_for("#status", "2 of 2 objects shown")
        page.click("#boxes")  # boxes and writing off: what is left are masks
        page.wait_for("#status", "2 of 2 objects shown")
        # the picture is 200; half of a cat (255, 0, 0) is on it everywhere, then half of a dog (0, 255, 0) above
        assert pixel(page, 30, 35) == pytest.approx([228, 100, 100], abs=2)
        assert pixel(page, 30, 5) == pytest.approx([114, 178, 50], abs=2)
        page.click("#masks")
        assert pixel(page, 30, 5) == [200, 200, 200]

    def test_try_out_page_filters_by_classes_and_threshold(self, page, tmp_path):
        page.choose_file("#file", picture(tmp_path))
        page.wait_for("#status", "2 of 2 objects shown")
        slide(page, 0.5)  # the cat has 0.78, the dog 0.39
        page.wait_for("#status", "1 of 2 objects shown")
        assert page.text("#shown") == "0.50"
        counts = "return [...document.querySelectorAll('#classes output')].map((item) => item.textContent)"
        assert page.run(counts) == ["1", "0"]
        page.click("#classes input[value=cat]")
        page.wait_for("#status", "0 of 2 objects shown")
        assert pixel(page, 30, 35) == [200, 200, 200]
        slide(page, 0)
        page.wait_for("#status", "1 of 2 objects shown")
        page.click("#none")
        page.wait_for("#status", "0 of 2 objects shown")
        page.click("#all")
        page.wait_for("#status", "2 of 2 objects shown")

    def test_try_out_page_accepts_a_dropped_picture(self, page):
        script = """
            const bytes = Uint8Array.from(args[0]);
            const held = new DataTransfer();
            held.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
            const drop = document.querySelector("#drop");
            drop.dispatchEvent(new DragEvent("dragover", { dataTransfer: held, bubbles: true, cancelable: true }));
            drop.dispatchEvent(new DragEvent("drop", { dataTransfer: held, bubbles: true, cancelable: true }));
        """
        page.run(script, list(image_bytes(40, 60, 200)))
        page.wait_for("#status", "2 of 2 objects shown")
        assert page.text("#classes label") == "cat1"

    def test_try_out_page_shows_an_error_of_the_service(self, page, tmp_path):
        broken = tmp_path / "broken.png"
        broken.write_bytes(b"no picture")
        page.choose_file("#file", broken)
        page.wait_for("#status", "the image is in no known format, or its first bytes are broken; known are "
                                 "JPEG, PNG, BMP, WEBP, TIFF, GIF")  # fmt: skip
        assert page.run("return document.querySelector('#status').className") == "bad"

    def test_try_out_page_shows_a_turned_photograph_upright(self, page, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        path = tmp_path / "turned.jpg"
        Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(path, exif=exif)
        page.choose_file("#file", path)
        page.wait_for("#status", "2 of 2 objects shown")
        size = "const canvas = document.querySelector('canvas'); return [canvas.width, canvas.height]"
        assert page.run(size) == [15 * 40, 15 * 60]

    def test_try_out_page_asks_no_other_server(self, page, service, tmp_path):
        page.choose_file("#file", picture(tmp_path))
        page.wait_for("#status", "2 of 2 objects shown")
        names = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        assert names
        assert [name for name in names if not name.startswith((service.url, "blob:", "data:"))] == []
        assert [line for line in page.complaints() if "Security" in line or "SyntaxError" in line] == []

    def test_docs_page_lists_the_endpoints(self, window, service):
        window.open(f"{service.url}/docs")
        window.wait_for("#title", "Mask R-CNN 0.1.0")
        text = window.text("#list")
        assert "POST/model/inferenceFinds the objects of an image" in text
        assert "GET/metrics" in text
        assert len(window.screenshot()) > 1000

    def test_try_out_page_reports_a_service_that_is_gone(self, window, tmp_path):
        with running() as service:
            window.open(f"{service.url}/")
            window.wait_for("#status", "Ready")
        window.choose_file("#file", picture(tmp_path))
        window.wait_for("#status", "Failed to fetch")
        assert window.run("return document.querySelector('#status').className") == "bad"
