"""A service in a thread, on a small model and a free port, and what its clients send."""

import asyncio
import contextlib
import io
import sys
import threading
import time
import traceback

import numpy as np
import requests
import tensorflow as tf
import uvicorn
from PIL import Image
from starlette.requests import Request

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.input_size import InputSize
from mrcnn.config.serve import ServeConfig
from mrcnn.events import EventLog
from mrcnn.model_folder.read import ModelBundle
from mrcnn.predict.predictor import Predictor
from mrcnn.project.meta import ClassMeta
from mrcnn.serve import app as serve_app
from mrcnn.serve import server
from mrcnn.serve.handler import RequestHandler
from mrcnn.serve.service import Service
from mrcnn.structures import RawDetections
from tests.predict.helpers import Network

NAMES = ("bg", "cat", "dog")
COLORS = {"cat": "#FF0000", "dog": "#00FF00"}


def brightness_model(batch):
    """Finds the whole window as cat with score = brightness, and its upper half as dog with half that score."""
    images, windows = batch["images"], batch["windows"]
    height, width = windows[:, 2] - windows[:, 0], windows[:, 3] - windows[:, 1]
    score = tf.reduce_sum(images, axis=(1, 2, 3)) / (255.0 * 3.0 * height * width)
    upper = tf.stack([windows[:, 0], windows[:, 1], windows[:, 0] + height / 2, windows[:, 3]], axis=1)
    return RawDetections(
        boxes=tf.stack([upper, windows], axis=1),
        class_ids=tf.tile([[2, 1]], [tf.shape(images)[0], 1]),
        scores=tf.stack([score / 2, score], axis=1),
        valid=tf.stack([score >= 0.1, score >= 0.05], axis=1),
        masks=tf.ones([tf.shape(images)[0], 2, 4, 4]),
    )


def make_bundle(model=brightness_model, **config):
    return ModelBundle(
        model=Network(model),
        class_names=NAMES,
        class_metas=tuple(ClassMeta(name, "bitmap", COLORS[name]) for name in NAMES[1:]),
        input_size=InputSize(min_dim=64, max_dim=64),
        config=MatterportConfig(**config),
    )


def make_predictor(model=brightness_model, **config):
    return Predictor(make_bundle(model, **config))


def gated_predictor(gate):
    """Makes a predictor that calls `gate` before it looks at any image that is not black, as that of the warm-up is."""
    predictor = make_predictor()
    working = predictor.predict_compact

    def predict(images, *, batch_size=None):
        if any(image.any() for image in images):
            gate()
        return working(images, batch_size=batch_size)

    predictor.predict_compact = predict
    return predictor


@contextlib.contextmanager
def make_handler():
    """Makes a handler of at most 600 pixels and 1000 bytes with the small model, and closes it."""
    service = Service(make_predictor())
    made = RequestHandler(service, model_name="cats", active=2, max_body_bytes=1000, max_pixels=600)
    yield made
    made.close()
    service.close()


def request(body=b"", kind="application/json", leaves=None):
    """Makes a request whose client leaves as soon as the event `leaves` is set."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if messages:
            return messages.pop()
        await (asyncio.Event() if leaves is None else leaves).wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}, receive)


def await_in_progress(url, count, seconds=60):
    """Waits until a service has so many requests, besides the one that asks."""
    deadline = time.monotonic() + seconds
    while f"mrcnn_requests_in_progress {count + 1}.0" not in requests.get(f"{url}/metrics", timeout=60).text:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def image_bytes(height=20, width=30, value=200, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), value, np.uint8)).save(file, kind)
    return file.getvalue()


class ListLog(EventLog):
    """Keeps what it is told."""

    def __init__(self):
        self.lines = []

    def emit(self, message, *, level="info", **fields):
        self.lines.append((level, message, fields))

    def progress(self, subtask, current, total):
        self.emit(f"{subtask} {current}/{total}")

    @property
    def text(self):
        return "\n".join(f"{level} {message} {fields}" for level, message, fields in self.lines)


def stacks():
    """Lists where each thread of this process stands."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return [
        f"{names.get(ident)}:\n{''.join(traceback.format_stack(frame)[-6:])}"
        for ident, frame in sys._current_frames().items()
    ]


class Running:
    """A service that runs: its address, its log, and the server, whose `should_exit` is what SIGTERM sets."""

    def __init__(self, url, log, server, thread):
        self.url, self.log, self.server, self.thread = url, log, server, thread

    def stop(self):
        self.server.should_exit = True
        self.thread.join(240)  # a minute for open requests, then their work ends
        assert not self.thread.is_alive(), "\n".join([*self.log.text.splitlines()[-20:], *stacks()])


@contextlib.contextmanager
def running(predictor=None, *, protocols=serve_app.PROTOCOLS, **settings):
    """Serves until the end of the block."""
    log = ListLog()
    config = ServeConfig(model="models/cats", port=0, **settings)
    taken = server.bind(config.host, config.port)
    url = server.address(taken)
    app = serve_app.make_app(predictor or make_predictor(), config, log=log, url=url, protocols=protocols)
    runner = uvicorn.Server(server.make_config(app, drain_seconds=config.drain_seconds))
    thread = threading.Thread(target=runner.run, kwargs={"sockets": [taken]})
    thread.start()
    deadline = time.monotonic() + 300
    while not runner.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    service = Running(url, log, runner, thread)
    try:
        yield service
    finally:
        service.stop()
