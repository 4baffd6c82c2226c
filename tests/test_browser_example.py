"""The example page that runs an exported ONNX file in a browser, in a real one."""

import functools
import http.server
import json
import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from mrcnn.export import run as exporting
from mrcnn.export.formats.onnx import Onnx
from mrcnn.predict.predictor import Predictor
from tests.predict import helpers
from tests.serve import browser as browsers

PAGE = Path(__file__).parents[1] / "examples" / "browser"
RUNTIME = PAGE / "node_modules" / "onnxruntime-web"
NEEDS = "needs ONNX Runtime Web: npm install --prefix examples/browser --no-save onnxruntime-web@1.30.0"
THRESHOLD = 0.25

pytestmark = [
    pytest.mark.skipif(browsers.MISSING is not None, reason=str(browsers.MISSING)),
    pytest.mark.skipif(not RUNTIME.is_dir(), reason=NEEDS),
]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *given):
        pass


@pytest.fixture
def site(tmp_path):
    """A folder with the page, the runtime and no model, and its address."""
    for path in PAGE.glob("*.*"):
        if path.is_file():
            shutil.copy(path, tmp_path)
    (tmp_path / "node_modules").symlink_to(PAGE / "node_modules")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    thread.join()
    server.server_close()


def test_page_finds_what_the_live_model_finds(site):
    pytest.importorskip("tf2onnx")
    folder, url = site
    live = Predictor(helpers.make_bundle(helpers.Thresholded(THRESHOLD), score_threshold=THRESHOLD))
    exporting.write(live.bundle, folder / "model", format=Onnx())
    image = np.full((40, 60, 3), (200, 180, 220), np.uint8)
    cv2.imwrite(str(folder / "photo.png"), image[..., ::-1])
    (folder / "no.png").write_bytes(b"no image")
    [expected] = live.predict([image])
    with browsers.browsing() as browser:
        browser.open(url)
        browser.wait_for("#status", "The model is ready.")
        browser.choose_file("#photo", folder / "photo.png")
        browser.run(
            "while (!document.querySelector('#status').textContent.startsWith('2 objects'))"
            "  await new Promise((done) => setTimeout(done, 20));"
        )
        rows = browser.run(
            "return [...document.querySelectorAll('#objects tr')].map((row) =>"
            "  [...row.cells].map((cell) => cell.textContent).concat(row.dataset.box))"
        )
        pixel = browser.run(
            "return [...document.querySelector('canvas').getContext('2d').getImageData(30, 30, 1, 1).data]"
        )
        browser.choose_file("#photo", folder / "no.png")
        browser.run(
            "while (!document.querySelector('#status').textContent.startsWith('It did not work: '))"
            "  await new Promise((done) => setTimeout(done, 20));"
        )
        assert not [line for line in browser.complaints() if "SEVERE" in line]
    assert [row[:3] for row in rows] == [
        [name, f"{score:.3f}", str(int(mask.sum()))]
        for name, score, mask in zip(expected.class_names, expected.scores, expected.masks, strict=True)
    ]
    np.testing.assert_allclose([json.loads(row[3]) for row in rows], expected.boxes, atol=0.01)
    # the first object fills the image and has the colour (0, 90, 60), of which 0.45 is blended
    assert pixel[:3] == pytest.approx([0.55 * 200, 180 + 0.45 * (90 - 180), 220 + 0.45 * (60 - 220)], abs=1.5)


def test_page_says_that_the_model_is_missing(site):
    _, url = site
    with browsers.browsing() as browser:
        browser.open(url)
        browser.run(
            "while (!document.querySelector('#status').textContent.startsWith('It did not work: '))"
            "  await new Promise((done) => setTimeout(done, 20));"
        )
