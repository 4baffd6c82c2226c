"""Starts a worker process; imports no TensorFlow, so its startup messages can be hidden."""

import atexit
import contextlib

from starlette.types import ASGIApp

from mrcnn import decoder_notes, startup
from mrcnn.config.serve import ServeConfig


def make_app(config: ServeConfig, url: str) -> ASGIApp:
    """Builds the app of a worker process; see `endpoints.make_worker`."""
    notes = contextlib.ExitStack()
    notes.enter_context(decoder_notes.hidden())
    atexit.register(notes.close)
    app: ASGIApp = startup.load("mrcnn.serve.endpoints").make_worker(config, url)
    return app
