"""The server process or processes: sockets, signals and the library's own messages.

SIGTERM and Ctrl-C end the service the same way: no new connection is taken, open requests are answered, then it ends.
"""

import logging
import multiprocessing
import os
import resource
import signal
import socket
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import multiprocess

from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.serve import metrics
from mrcnn.serve.protocol import TimedProtocol

BACKLOG = 2048  # connections that wait to be accepted
MOST_FILES = 2**16  # open at a time, if the system lets us; each connection is one, and shells often allow 1024
KEEP_ALIVE_SECONDS = 30
WORKER_START_SECONDS = 180  # TensorFlow and the weights on a busy machine; a silent worker is replaced after this
CHATTY = ("python_multipart", "PIL")  # libraries that quote what they refuse, which is answered with 400 anyway
REPEAT_SECONDS = 10.0  # in which a message of theirs is reported once: clients, and full tables, repeat them at will
NO_NEWS = ("ASGI callable returned without completing response.",)  # the client left, which `watch` has said
STARTUP_FAILURE = 3  # exit code of a worker that cannot start; the supervisor then gives up


class LibraryLog(logging.Handler):
    """Hands the server library's warnings and errors to the service's log, one line each."""

    def __init__(self, log: EventLog):
        """Takes warnings and worse."""
        super().__init__(logging.WARNING)
        self._log = log
        self._last, self._repeated_until = "", 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Reports the first line of the message, without its traceback; one that repeats, once in a while."""
        line, now = record.getMessage().partition("\n")[0], time.monotonic()
        if line in NO_NEWS or (line == self._last and now < self._repeated_until):
            return
        self._last, self._repeated_until = line, now + REPEAT_SECONDS
        self._log.emit(line, level="error" if record.levelno >= logging.ERROR else "warn")


class Worker(multiprocess.Process):
    """A worker process whose death is noticed; the library's own waits for the answer of one that died meanwhile."""

    def is_alive(self, timeout: float = 5) -> bool:
        """Tells whether the process runs and answers within so many seconds."""
        deadline = time.monotonic() + timeout
        while self.process.is_alive() and time.monotonic() < deadline:
            if self.ping(timeout=1):
                return True
        return False


def hear_libraries(log: EventLog) -> None:
    """Hands what libraries have to say in this process to its log; where nobody hears them they write to its stream."""
    logging.captureWarnings(True)
    warnings.filterwarnings("ignore", module=r"PIL\.")  # about odd images, as many as clients send
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger().handlers = [LibraryLog(log)]


def end_with_parent() -> None:
    """Ends this worker as SIGTERM does when the process that started it is gone, for example killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True, name="parent").start()


def allow_connections() -> None:
    """Raises the number of files that this process may have open, if it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def bind(host: str, port: int) -> socket.socket:
    """Takes the address; who connects before the service is ready waits, and is not turned away.

    Raises:
        UserError: there is no such address here, or it is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        taken.listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        taken.close()
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot listen on {host} port {port}: {reason}; choose another --host or --port") from error
    return taken


def address(taken: socket.socket) -> str:
    """Gives the URL of a bound socket."""
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_one(app: ASGIApp, taken: socket.socket, *, drain_seconds: int, log: EventLog) -> None:
    """Serves in this process until a signal ends it."""
    hear_libraries(log)
    allow_connections()
    with _quiet_sigterm():
        uvicorn.Server(make_config(app, drain_seconds=drain_seconds)).run(sockets=[taken])


def run_many(
    make_app: Callable[[], ASGIApp], taken: socket.socket, *, workers: int, drain_seconds: int, log: EventLog
) -> None:
    """Serves in so many processes of their own until a signal ends them; one that dies is replaced.

    Args:
        make_app: called in each worker; must be picklable.
        taken: the bound socket.
        workers: how many processes.
        drain_seconds: for open requests after the signal.
        log: of this process.

    Raises:
        UserError: a worker cannot start.
    """
    config = make_config(make_app, drain_seconds=drain_seconds, factory=True, workers=workers)
    taken.set_inheritable(True)
    hear_libraries(log)
    allow_connections()  # workers inherit it
    with _quiet_sigterm(), tempfile.TemporaryDirectory(prefix="mrcnn-metrics-") as folder:
        os.environ[metrics.FOLDER_VARIABLE] = folder
        multiprocess.Process = Worker  # type: ignore[misc]  # the only way to tell the library
        supervisor = multiprocess.Multiprocess(config, sockets=[taken])
        supervisor.run()
        os.environ.pop(metrics.FOLDER_VARIABLE)
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise UserError("a worker could not start; the message before this one says why")


def make_config(app: ASGIApp | Callable[[], ASGIApp], *, drain_seconds: int, **more: object) -> uvicorn.Config:
    """Makes the server library's settings for an app, or with `factory` for what makes one."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        http=TimedProtocol,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=drain_seconds,
        timeout_worker_healthcheck=WORKER_START_SECONDS,
        **more,  # type: ignore[arg-type]
    )


@contextmanager
def _quiet_sigterm() -> Iterator[None]:
    """Lets SIGTERM that the library raises again when it is done end the process with exit code 0."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
