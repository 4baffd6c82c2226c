"""Waits until all workers of a run have started, within a time limit.

TensorFlow waits for them too, but without a limit, and no signal ends it then. The workers other than the chief connect
to the chief's port and send their number; when all are there, the chief answers each of them, and TensorFlow begins to
use the ports.
"""

import contextlib
import re
import select
import socket
import time
from collections.abc import Callable, Iterator

from mrcnn.errors import UserError
from mrcnn.train.workers.cluster import Cluster

LIMIT = 300.0  # seconds that the workers may start one after the other
PAUSE = 0.2  # seconds between two attempts to connect
READING = 2.0  # seconds for the message of a connection
GRACE = 15.0  # seconds that a worker tries to reconnect after the chief closed the connection
GO = b"go\n"
_MESSAGE = re.compile(rb"mrcnn worker (\d{1,6}) of (\d{1,6}) with (\d{1,6}) devices\n")


def wait_for_all(
    cluster: Cluster, *, devices: int, limit: float = LIMIT, note: Callable[[str], object] = lambda line: None
) -> None:
    """Returns in every worker when all of them have called it.

    Args:
        cluster: the workers, at least two.
        devices: how many devices this worker computes on; TensorFlow needs as many in each.
        limit: seconds to wait.
        note: called with one line by the chief before it waits.

    Raises:
        UserError: some did not start within the limit, disagree about the workers or their devices, or the
            chief's port is in use; or the chief ended.
    """
    until = time.monotonic() + limit
    if cluster.index:
        _report(cluster, devices, until=until, limit=limit)
        return
    note(f"waiting for {cluster.count - 1} more of {cluster.count} workers, at most {limit:g} seconds")
    _collect(cluster, devices, until=until, limit=limit)


def _collect(cluster: Cluster, devices: int, *, until: float, limit: float) -> None:
    with _listening(cluster.addresses[0]) as listener, contextlib.ExitStack() as stack:
        found: dict[int, socket.socket] = {}
        while len(found) < cluster.count - 1:
            if not select.select([listener], [], [], max(0.0, until - time.monotonic()))[0]:
                missing = [cluster.addresses[index] for index in range(1, cluster.count) if index not in found]
                raise UserError(
                    f"{len(missing)} of {cluster.count} workers did not start within {limit:g} seconds: "
                    f"{', '.join(missing)}; start them, and check that they reach {cluster.addresses[0]}"
                )
            connection = stack.enter_context(listener.accept()[0])
            index = _read(connection, cluster, devices)
            if index is not None:
                found[index] = connection
        for connection in found.values():
            with contextlib.suppress(OSError):  # TensorFlow finds out about a worker that ended meanwhile
                connection.sendall(GO)


def _read(connection: socket.socket, cluster: Cluster, devices: int) -> int | None:
    """Reads a worker's number; None for any other connection, such as a scan of the ports."""
    connection.settimeout(READING)
    try:
        match = _MESSAGE.fullmatch(connection.recv(64))
    except OSError:
        return None
    if match is None:
        return None
    index, count, others = map(int, match.groups())
    if count != cluster.count or not 0 < index < cluster.count:
        raise UserError(
            f"a worker reports number {index} of {count}, but this run has {cluster.count}; give all workers "
            "the same cluster"
        )
    if others != devices:
        raise UserError(
            f"worker {index} ({cluster.addresses[index]}) has {others} devices and the chief {devices}; all need as "
            "many GPUs in `gpu_devices`, or none"
        )
    return index


def _report(cluster: Cluster, devices: int, *, until: float, limit: float) -> None:
    host, port = _parts(cluster.addresses[0])
    closed = None  # when the chief closed the last connection, or made it if the chief reset it
    while (left := until - time.monotonic()) > 0:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=left) as connection:
            closed = time.monotonic()
            connection.sendall(b"mrcnn worker %d of %d with %d devices\n" % (cluster.index, cluster.count, devices))
            if connection.recv(len(GO)) == GO:
                return
            closed = time.monotonic()
        if closed is not None and time.monotonic() - closed > GRACE:
            raise UserError(
                f"worker {cluster.index}: the chief {cluster.addresses[0]} ended before the training began; its log "
                "has the reason. Start all workers again"
            )
        time.sleep(PAUSE)
    raise UserError(
        f"worker {cluster.index} waited {limit:g} seconds for the chief {cluster.addresses[0]} and all other workers; "
        "start them, and check that they reach it"
    )


@contextlib.contextmanager
def _listening(address: str) -> Iterator[socket.socket]:
    host, port = _parts(address)
    try:
        listener = _open(host, port)
    except OSError as error:
        raise UserError(
            f"the chief cannot listen at {address}: {error.strerror or error}; give another port"
        ) from error
    with listener:
        yield listener


def _open(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError:  # a name of this machine in a network that forwards, as in Kubernetes, is none of its own addresses
        if socket.gethostbyname(host).startswith("127."):
            raise
        return socket.create_server(("", port))


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
