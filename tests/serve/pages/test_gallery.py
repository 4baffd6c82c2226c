"""Several pictures on the page: their order, their states, and what fails."""

import contextlib
import threading

import numpy as np
import pytest
import requests
from PIL import Image

from mrcnn.serve.limits.admission import Admission
from mrcnn.serve.responses import RequestError
from tests.serve.helpers import gated_predictor, image_bytes, running

from .helpers import focused, make_three, needs_browser, picture, pixel, tiles

pytestmark = needs_browser
NO_IMAGE = "the image is in no known format, or its first bytes are broken; known are JPEG, PNG, BMP, WEBP, TIFF, GIF"
GONE = "the service does not answer; check that it runs, then send the picture again"


def selected(page):
    return page.run("return document.querySelector('#strip [aria-selected=true] .name').textContent")


def status_class(page):
    return page.run("return document.querySelector('#status').className")


def inferences(service):
    """Counts the requests for objects that a service has answered."""
    text = requests.get(f"{service.url}/metrics", timeout=60).text
    lines = [line for line in text.splitlines() if line.startswith("mrcnn_requests_total") and "/inference" in line]
    return sum(float(line.split()[-1]) for line in lines)


@contextlib.contextmanager
def waiting():
    """Runs a service that looks at no picture until its gate is open, which it is at the end in any case."""
    gate = threading.Event()
    with running(gated_predictor(gate.wait)) as service:
        try:
            yield service, gate
        finally:
            gate.set()


def test_gallery_of_several_chosen_pictures_shows_the_first(page, tmp_path):
    names = ("a.png", "b.png", "c.png")
    values = (50, 100, 150)
    page.choose_file(
        "#file", *(picture(tmp_path, *pair[:1], value=pair[1]) for pair in zip(names, values, strict=True))
    )
    page.wait_for("#progress", "3 of 3 pictures done")
    assert tiles(page) == [(name, "3 objects") for name in names]
    assert selected(page) == "a.png"
    page.wait_for("#status", "3 of 3 objects shown")
    page.click("#masks")
    page.click("#boxes")
    assert pixel(page, 30, 30) == [50, 50, 50]
    page.click("#strip li:nth-child(3)")
    page.wait_for("#status", "3 of 3 objects shown")
    page.run("while (loaded !== gallery.current) await new Promise((next) => setTimeout(next, 10))")
    assert selected(page) == "c.png"
    assert pixel(page, 30, 30) == [150, 150, 150]


def test_gallery_sends_one_picture_after_the_other(window, tmp_path):
    with waiting() as (service, gate):
        window.open(f"{service.url}/")
        window.wait_for("#status", "Ready")
        window.choose_file("#file", *(picture(tmp_path, name) for name in ("a.png", "b.png", "c.png")))
        window.wait_for("#status", "a.png: detecting …")
        assert tiles(window) == [("a.png", "detecting …"), ("b.png", "waiting"), ("c.png", "waiting")]
        assert window.text("#progress") == "0 of 3 pictures done"
        window.click("#strip li:nth-child(2)")
        window.wait_for("#status", "b.png: waiting")
        assert window.run("return byId('save-masks').disabled") is True
        gate.set()
        window.wait_for("#progress", "3 of 3 pictures done")


def test_gallery_accepts_dropped_pictures_anywhere_on_the_page(page):
    script = """
        const held = new DataTransfer();
        const bytes = Uint8Array.from(args[0]), options = { dataTransfer: held, bubbles: true, cancelable: true };
        for (const name of ["one.png", "two.png"]) held.items.add(new File([bytes], name, { type: "image/png" }));
        for (const kind of ["dragover", "drop"]) byId("choose").dispatchEvent(new DragEvent(kind, options));
    """
    page.run(script, list(image_bytes(40, 60, 200)))
    page.wait_for("#progress", "2 of 2 pictures done")
    assert tiles(page) == [("one.png", "3 objects"), ("two.png", "3 objects")]


def test_gallery_goes_on_after_a_file_that_is_no_image(page, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    page.choose_file("#file", broken, picture(tmp_path))
    page.wait_for("#progress", "1 of 2 pictures done, 1 failed")
    assert tiles(page) == [("broken.png", f"failed: {NO_IMAGE}"), ("photo.png", "3 objects")]
    page.wait_for("#status", NO_IMAGE)
    assert status_class(page) == "bad"
    assert page.run("return byId('drop').classList.contains('blank')") is True
    page.click("#strip li:nth-child(2)")
    page.wait_for("#status", "3 of 3 objects shown")
    assert status_class(page) == ""


def test_gallery_reports_pictures_over_the_limits(window, tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8)).save(tmp_path / "heavy.bmp")  # 7200 bytes and a header
    with running(make_three(), max_pixels=2400, max_body_bytes=10_000) as service:
        window.open(f"{service.url}/")
        window.wait_for("#status", "Ready")
        files = [picture(tmp_path, "wide.png", width=61), tmp_path / "heavy.bmp", picture(tmp_path)]
        window.choose_file("#file", *files)  # 40 x 61 = 2440 pixels
        window.wait_for("#progress", "1 of 3 pictures done, 2 failed")
        wide, heavy, photo = (state for _, state in tiles(window))
        assert wide == "failed: the image has 40 x 61 pixels, more than 2400 (--max-pixels); send a smaller one"
        # 7254 bytes and at most 4096 of the form; the page does not even send them
        most = "more than the service accepts (0.01 MB, --max-body-bytes); send a smaller one"
        assert heavy == f"failed: the file has 0.00725 MB, {most}"
        assert photo == "3 objects"
        assert inferences(service) == 2


def test_gallery_goes_on_after_a_busy_service_and_sends_again(page, tmp_path, monkeypatch):
    enter, refusals = Admission.enter, ["the service is busy, 1000 requests wait already; try again later"]

    def refuse_once(self):
        if refusals:
            raise RequestError(refusals.pop(), status=503, retry_after=5)
        return enter(self)

    monkeypatch.setattr(Admission, "enter", refuse_once)
    page.choose_file("#file", picture(tmp_path, "a.png"), picture(tmp_path, "b.png"))
    page.wait_for("#progress", "1 of 2 pictures done, 1 failed")
    busy = "the service is busy, 1000 requests wait already; try again later"
    assert tiles(page) == [("a.png", f"failed: {busy}"), ("b.png", "3 objects")]
    page.wait_for("#status", busy)
    page.click("#again")
    page.wait_for("#progress", "2 of 2 pictures done")
    page.wait_for("#status", "3 of 3 objects shown")
    assert page.run("return byId('again').hidden") is True


def test_gallery_reports_a_service_that_is_gone_at_each_picture(window, tmp_path):
    with running() as service:
        window.open(f"{service.url}/")
        window.wait_for("#status", "Ready")
    window.choose_file("#file", picture(tmp_path, "a.png"), picture(tmp_path, "b.png"))
    window.wait_for("#progress", "0 of 2 pictures done, 2 failed")
    assert tiles(window) == [("a.png", f"failed: {GONE}"), ("b.png", f"failed: {GONE}")]
    window.wait_for("#status", GONE)
    assert status_class(window) == "bad"


def test_gallery_reports_an_answer_without_a_reason(page, tmp_path):
    page.run("window.fetch = async () => new Response('<html>Bad Gateway', { status: 502 })")  # as of a proxy
    page.choose_file("#file", picture(tmp_path))
    page.wait_for("#status", "the answer has the status 502 and no reason; send the picture again")


def test_gallery_learns_the_classes_with_the_first_picture_where_it_could_not_before(
    window, three, tmp_path, monkeypatch
):
    def refuse(self):
        raise RequestError("the service is busy", status=503)

    with monkeypatch.context() as busy:
        busy.setattr(Admission, "enter", refuse)
        window.open(f"{three.url}/")
        window.wait_for("#status", "the service is busy")
    window.choose_file("#file", picture(tmp_path))
    window.wait_for("#status", "3 of 3 objects shown")
    assert window.run("return [...document.querySelectorAll('#classes label')].map((row) => row.textContent)") == [
        "cat2",
        "dog1",
    ]


def test_gallery_shows_objects_of_a_picture_that_the_browser_cannot_decode(page, tmp_path):
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(tmp_path / "scan.tif")
    page.choose_file("#file", tmp_path / "scan.tif")
    page.wait_for("#status", "3 of 3 objects shown; this browser cannot show the picture")
    page.click("#boxes")
    # half red (255, 0, 0) on grey 136: (195.5, 68, 68)
    assert pixel(page, 5, 35) == pytest.approx([196, 68, 68], abs=1)


def test_gallery_reports_a_picture_that_cannot_be_drawn(page, tmp_path):
    page.run("window.tinted = async () => { throw new Error('the canvas is too large'); }")
    page.choose_file("#file", picture(tmp_path))
    page.wait_for("#status", "the picture cannot be drawn: the canvas is too large")
    assert tiles(page) == [("photo.png", "3 objects")]


def test_gallery_shows_a_turned_photograph_upright(page, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    page.choose_file("#file", tmp_path / "turned.jpg")
    page.wait_for("#status", "3 of 3 objects shown")
    assert page.run("return [view.size, view.picture.width, view.picture.height]") == [
        {"width": 40, "height": 60},
        40,
        60,
    ]
    assert page.run("const thumb = document.querySelector('.thumb'); return thumb.width < thumb.height") is True


def test_gallery_by_keys(page, tmp_path):
    page.choose_file("#file", *(picture(tmp_path, name) for name in ("a.png", "b.png", "c.png", "d.png")))
    page.wait_for("#progress", "4 of 4 pictures done")
    page.run("byId('choose').focus()")
    page.press("Tab")
    assert focused(page) == "picture-1"  # one stop of Tab for the whole strip
    seen = []
    for key in ("Right", "Right", "Left", "End", "Right", "Home", "Left", "Down", "Up"):
        page.press(key)
        seen.append((selected(page)[0], focused(page)[-1]))
    assert seen == [
        ("b", "2"),
        ("c", "3"),
        ("b", "2"),
        ("d", "4"),
        ("d", "4"),
        ("a", "1"),
        ("a", "1"),
        ("b", "2"),
        ("a", "1"),
    ]
    page.press("Right", "Delete")
    assert [name for name, _ in tiles(page)] == ["a.png", "c.png", "d.png"]
    assert (selected(page), focused(page)) == ("c.png", "picture-3")
    page.press("Tab")
    assert focused(page) == "canvas"
    page.press("Right")  # the picture fits, so there is nothing to move
    assert (selected(page), focused(page)) == ("d.png", "canvas")


def test_gallery_is_empty_after_the_last_picture_is_removed(page, tmp_path):
    page.choose_file("#file", picture(tmp_path))
    page.wait_for("#status", "3 of 3 objects shown")
    page.click("#remove")
    page.wait_for("#status", "Ready")
    hidden = "return ['strip', 'canvas', 'tools', 'hint'].map((id) => byId(id).hidden)"
    assert page.run(hidden) == [True, True, True, False]
    assert page.text("#progress") == ""
    assert page.run("return [byId('save-coco').disabled, byId('save-masks').disabled]") == [True, True]


def test_gallery_leaves_out_a_picture_removed_before_its_turn(window, tmp_path):
    with waiting() as (service, gate):
        window.open(f"{service.url}/")
        window.wait_for("#status", "Ready")
        window.choose_file("#file", *(picture(tmp_path, name) for name in ("a.png", "b.png", "c.png")))
        window.wait_for("#status", "a.png: detecting …")
        window.click("#strip li:nth-child(2)")
        window.click("#remove")
        gate.set()
        window.wait_for("#progress", "2 of 2 pictures done")
        assert inferences(service) == 2
