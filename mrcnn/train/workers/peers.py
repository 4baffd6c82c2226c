"""Exchanges values other than gradients between the workers of a run.

All workers must call these functions in the same order: each waits for the others.
"""

import contextlib
import faulthandler
import json
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mrcnn.errors import UserError
from mrcnn.train.engine.current import engine
from mrcnn.train.workers.cluster import Cluster

START = 120.0  # seconds for TensorFlow's own start after all workers are there; it cannot be interrupted
WORD = np.dtype(np.int64)  # what the devices exchange: TensorFlow keeps int32 in the memory of the host
_LOST = re.compile(r"Collective ops is aborted|[Ss]ocket closed|heartbeat|Connection (reset|refused)|is down")
_TASK = re.compile(r"/job:worker/(?:replica:0/)?task:(\d+)")


class LostWorker(UserError):
    """Another worker ended or cannot be reached."""


class Peers:
    """The workers of a run, of which this process is one.

    Attributes:
        index: number of this process, from 0.
        count: number of workers; 1 for a run of one process, in which all functions return at once.
    """

    def __init__(self, cluster: Cluster | None = None, strategy: Any = None):
        """Stores the workers.

        Args:
            cluster: the workers; None for one process.
            strategy: that of `start`.
        """
        self._addresses = cluster.addresses if cluster else ("",)
        self.index, self.count = (cluster.index, cluster.count) if cluster else (0, 1)
        self._gather = None if strategy is None else engine.exchange(strategy)

    @property
    def leads(self) -> bool:
        """Whether this is the chief, which alone writes files and logs figures."""
        return self.index == 0

    def gather(self, content: bytes) -> list[bytes]:
        """Collects one message of each worker, in their order; every worker gets all of them."""
        if self._gather is None:
            return [content]
        lengths = [int(row[0]) for row in self._rows(np.array([len(content)], WORD))]
        longest = -(-max(lengths) // WORD.itemsize) * WORD.itemsize
        if not longest:
            return [b""] * self.count
        rows = self._rows(np.frombuffer(content.ljust(longest, b"\0"), WORD))
        return [row.tobytes()[:length] for row, length in zip(rows, lengths, strict=True)]

    def all_values(self, value: Any) -> list[Any]:
        """Collects one JSON value of each worker, in their order."""
        return [json.loads(text) for text in self.gather(json.dumps(value).encode())]

    def of_chief(self, value: Any) -> Any:
        """Returns the chief's JSON value in every worker; values of other workers are ignored."""
        return self.all_values(value if self.leads else None)[0]

    def most(self, number: int) -> int:
        """Returns the largest number that a worker has."""
        return number if self._gather is None else max(int(row[0]) for row in self._rows(np.array([number], WORD)))

    def check_equal(self, facts: Mapping[str, Any]) -> None:
        """Checks that all workers have the same facts.

        Args:
            facts: JSON values by what they are, as the subject of the message.

        Raises:
            UserError: a worker's fact differs from the chief's.
        """
        chief, *others = self.all_values(dict(facts))
        for index, other in enumerate(others, 1):
            if differing := [name for name in chief if other.get(name) != chief[name]]:
                raise UserError(
                    f"worker {index} ({self._addresses[index]}) has {differing[0]} other than the chief's; all workers "
                    "need the same program, config, data, start weights and output folder"
                )

    @contextlib.contextmanager
    def surviving(self) -> Iterator[None]:
        """Context that replaces TensorFlow's errors about a worker that ended.

        Raises:
            LostWorker: another worker ended or cannot be reached.
        """
        try:
            yield
        except engine.FILE_ERRORS as error:
            if self._gather is None or not _LOST.search(str(error)):
                raise
            raise LostWorker(
                f"{self._named(str(error))} was lost, so the run ends here; its own log has the reason. Start all "
                "workers again with `--resume`, as many as you like"
            ) from error

    def _named(self, text: str) -> str:
        found = {int(number) for number in _TASK.findall(text)} - {self.index}
        if not found and self.count == 2:
            found = {1 - self.index}
        places = [f"worker {index} ({self._addresses[index]})" for index in sorted(found) if index < self.count]
        return " or ".join(places) or "another worker"

    def _rows(self, values: np.ndarray) -> list[np.ndarray]:
        found = values[None] if self._gather is None else self._gather(values)
        return list(found[:: len(found) // self.count])  # a worker's devices have the same row each


ALONE = Peers()


def start(cluster: Cluster) -> Any:
    """Connects this process to the other workers, all of which must call it at about the same time.

    The visible GPUs must be chosen before. TensorFlow then listens at this worker's port on all network interfaces,
    without a password.

    Args:
        cluster: the workers.

    Returns:
        TensorFlow's strategy for them.

    Raises:
        UserError: TensorFlow cannot use the port.
    """
    errors: tuple[type[Exception], ...] = (*engine.FILE_ERRORS, RuntimeError)
    faulthandler.dump_traceback_later(START, exit=True)
    try:
        strategy = engine.joined(cluster.addresses, cluster.index)
    except errors as error:
        raise UserError(
            f"worker {cluster.index} cannot start at {cluster.addresses[cluster.index]}: {error}"
        ) from error
    finally:
        faulthandler.cancel_dump_traceback_later()
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGTERM)
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)  # TensorFlow has replaced it by one that ignores the signal
    return strategy
