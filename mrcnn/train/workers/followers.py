"""Replaces checkpoints, log and stop request in the workers other than the chief."""

from pathlib import Path

from mrcnn.events import EventLog, SharedLog
from mrcnn.train.interrupt import StopRequest
from mrcnn.train.state import TrainingState
from mrcnn.train.workers.peers import Peers


class Unwritten:
    """Replaces the checkpoint store in workers other than the chief; writes nothing.

    Attributes:
        root: the run's output folder.
    """

    def __init__(self, root: Path):
        """Stores the folder, and creates nothing."""
        self.root = root

    def save_epoch(self, state: TrainingState, *, best: bool) -> Path:
        """Writes nothing; returns the output folder."""
        return self.root

    def save_stopped(self, state: TrainingState) -> Path:
        """Writes nothing; returns the output folder."""
        return self.root


class AgreedRequest:
    """A request to stop that any worker received; same interface as `StopRequest`."""

    def __init__(self, own: StopRequest, peers: Peers):
        """Stores this worker's request and the workers."""
        self._own, self._peers = own, peers

    @property
    def signum(self) -> int | None:
        """The signal that a worker received; None before. All workers must read it at the same place."""
        return self._peers.most(self._own.signum or 0) or None


def log_of(log: EventLog, peers: Peers, *, level: str) -> EventLog:
    """Returns the log unchanged for the chief, and limited to messages of at least `level` for other workers."""
    return log if peers.leads else SharedLog({log: level})
