"""A model with three objects of known place and score, and what tests read from the page."""

import pytest
import tensorflow as tf

from mrcnn.structures import RawDetections
from tests.serve import browser
from tests.serve.helpers import image_bytes, make_predictor

needs_browser = pytest.mark.skipif(browser.MISSING is not None, reason=str(browser.MISSING))
LOWEST = 0.25  # the score below which this service drops objects


def three_objects(batch):
    """Finds a cat of score 0.9 (left half), a dog of 0.6 (upper half) and a cat of 0.3 (lower right quarter)."""
    windows = batch["windows"]
    y1, x1, y2, x2 = (windows[:, side] for side in range(4))
    y, x = (y1 + y2) / 2, (x1 + x2) / 2
    boxes = [(y1, x1, y2, x), (y1, x1, y, x2), (y, x, y2, x2)]
    count = tf.shape(windows)[0]
    return RawDetections(
        boxes=tf.stack([tf.stack(box, axis=1) for box in boxes], axis=1),
        class_ids=tf.tile([[1, 2, 1]], [count, 1]),
        scores=tf.tile([[0.9, 0.6, 0.3]], [count, 1]),
        valid=tf.fill([count, 3], True),
        masks=tf.ones([count, 3, 4, 4]),
    )


def make_three():
    return make_predictor(three_objects, score_threshold=LOWEST)


def picture(folder, name="photo.png", *, height=40, width=60, value=200):
    path = folder / name
    path.write_bytes(image_bytes(height, width, value))
    return path


def pixel(page, x, y):
    """Reads the drawn colour in the middle of a pixel of the picture."""
    script = """
        const [left, top] = toFrame(args[0] + 0.5, args[1] + 0.5);
        return [...byId("canvas").getContext("2d").getImageData(left, top, 1, 1).data];
    """
    return page.run(script, x, y)[:3]


def slide(page, value):
    script = "const bar = document.querySelector(args[0]); bar.value = args[1]; bar.dispatchEvent(new Event('input'))"
    page.run(script, "#threshold", value)


def counts(page):
    return page.run("return [...document.querySelectorAll('#classes output')].map((item) => item.textContent)")


def tiles(page):
    """Reads name and state of each picture in the strip."""
    script = """
        const text = (tile, part) => tile.querySelector(part).textContent;
        return [...document.querySelectorAll("#strip li")].map((tile) => [text(tile, ".name"), text(tile, ".state")]);
    """
    return [tuple(tile) for tile in page.run(script)]


def focused(page):
    """Returns the id of the element that has the focus."""
    return page.run("return document.activeElement.id")
