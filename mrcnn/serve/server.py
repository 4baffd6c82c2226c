"""Server processes: sockets, signals, graceful shutdown and the log messages of libraries.

SIGTERM and Ctrl-C both shut down gracefully: new connections are refused, open requests are answered, the process ends.
"""

import logging
import os
import resource
import signal
import socket
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import multiprocess

from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.serve import metrics
from mrcnn.serve.limits.headers import HeaderTimeout
from mrcnn.serve.worker import Worker

BACKLOG = 2048  # connections that wait to be accepted
MOST_FILES = 2**16  # open files, if the system allows; each connection is one, and shells often allow 1024
KEEP_ALIVE_SECONDS = 30
WORKER_START_SECONDS = 180  # to load TensorFlow and the weights on a busy machine; a silent worker is replaced then
CHATTY = ("python_multipart", "PIL")  # libraries whose messages quote refused data; the client gets a 400 anyway
REPEAT_SECONDS = 10.0  # a repeated library message is reported once in this time, since clients can cause any number
IGNORED = ("ASGI callable returned without completing response.",)  # the client left, which `middleware` has logged
STARTUP_FAILURE = 3  # exit code of a worker that cannot start; the supervisor then gives up


class LibraryLog(logging.Handler):
    """Logging handler: forwards libraries' warnings and errors to the service's log, one line each."""

    def __init__(self, log: EventLog):
        """Stores the log; records below WARNING are ignored."""
        super().__init__(logging.WARNING)
        self._log = log
        self._last, self._repeated_until = "", 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Logs the first line of a record's message, without the traceback.

        A message that repeats is logged once in `REPEAT_SECONDS`.
        """
        line, now = record.getMessage().partition("\n")[0], time.monotonic()
        if line in IGNORED or (line == self._last and now < self._repeated_until):
            return
        self._last, self._repeated_until = line, now + REPEAT_SECONDS
        self._log.emit(line, level="error" if record.levelno >= logging.ERROR else "warn")


def forward_library_logs(log: EventLog) -> None:
    """Forwards the libraries' warnings and log records of this process to its log.

    Without a handler they would write to stderr themselves.
    """
    logging.captureWarnings(True)
    warnings.filterwarnings("ignore", module=r"PIL\.")  # about odd images, of which clients may send any number
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger().handlers = [LibraryLog(log)]


def raise_file_limit() -> None:
    """Raises this process's limit on open files to `MOST_FILES`, or to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def bind(host: str, port: int) -> socket.socket:
    """Binds a socket and listens; clients that connect before the service is ready wait.

    Raises:
        UserError: this machine has no such address, or it is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot listen on {host} port {port}: {reason}; choose another --host or --port") from error
    return listener


def address(listener: socket.socket) -> str:
    """Returns the URL of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_one(app: ASGIApp, listener: socket.socket, *, drain_seconds: int, log: EventLog) -> None:
    """Serves in this process until a signal ends it."""
    forward_library_logs(log)
    raise_file_limit()
    with _sigterm_handled_once():
        uvicorn.Server(make_config(app, drain_seconds=drain_seconds)).run(sockets=[listener])


def run_many(
    make_app: Callable[[], ASGIApp], listener: socket.socket, *, workers: int, drain_seconds: int, log: EventLog
) -> None:
    """Serves in worker processes until a signal ends them; a worker that dies is replaced.

    Args:
        make_app: builds the app in each worker; must be picklable.
        listener: the bound socket.
        workers: number of processes.
        drain_seconds: time that open requests get after the signal.
        log: log of this process.

    Raises:
        UserError: a worker cannot start.
    """
    config = make_config(make_app, drain_seconds=drain_seconds, factory=True, workers=workers)
    listener.set_inheritable(True)
    forward_library_logs(log)
    raise_file_limit()  # workers inherit it
    with _sigterm_handled_once(), tempfile.TemporaryDirectory(prefix="mrcnn-metrics-") as folder:
        os.environ[metrics.FOLDER_VARIABLE] = folder
        multiprocess.Process = Worker  # type: ignore[misc]  # uvicorn has no option for it
        supervisor = multiprocess.Multiprocess(config, sockets=[listener])
        supervisor.run()
        os.environ.pop(metrics.FOLDER_VARIABLE)
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise UserError("a worker could not start; the message before this one says why")


def make_config(app: ASGIApp | Callable[[], ASGIApp], *, drain_seconds: int, **more: object) -> uvicorn.Config:
    """Builds uvicorn's settings for an app, or with `factory=True` for a function that builds one."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        http=HeaderTimeout,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=drain_seconds,
        timeout_worker_healthcheck=WORKER_START_SECONDS,
        **more,  # type: ignore[arg-type]
    )


@contextmanager
def _sigterm_handled_once() -> Iterator[None]:
    """Ignores the SIGTERM that uvicorn raises again after shutdown, so the exit code is 0."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
