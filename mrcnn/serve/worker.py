"""A worker process: its start, its liveness check and its end.

Imports no TensorFlow, so that TensorFlow's startup messages can be hidden.
"""

import atexit
import contextlib
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing import connection

from starlette.types import ASGIApp
from uvicorn.supervisors import multiprocess

from mrcnn import decoder_notes, startup
from mrcnn.config.serve import ServeConfig


class Worker(multiprocess.Process):
    """Worker process with a liveness check that notices a crash at once.

    Uvicorn's own check goes on waiting for the answer of a process that died meanwhile.
    """

    def is_alive(self, timeout: float = 5) -> bool:
        """Checks whether the process runs and answers a ping within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self.process.is_alive() and time.monotonic() < deadline:
            if self.ping(timeout=1):
                return True
        return False


def make_app(config: ServeConfig, url: str) -> ASGIApp:
    """Builds the app of a worker process; see `app.make_worker`."""
    notes = contextlib.ExitStack()
    notes.enter_context(decoder_notes.hidden())
    atexit.register(notes.close)
    app: ASGIApp = startup.load("mrcnn.serve.app").make_worker(config, url)
    return app


def stop_with_parent() -> None:
    """Shuts this worker down gracefully when its parent process ends, for example killed.

    A thread waits for the parent's end and then sends SIGTERM to the worker.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True, name="parent").start()
