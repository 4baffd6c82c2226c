"""What the workers other than the chief have instead of its files, its log and its own reaction to signals."""

from pathlib import Path

from mrcnn.events import EventLog, SharedLog
from mrcnn.train.interrupt import StopRequest
from mrcnn.train.state import TrainingState
from mrcnn.train.workers.peers import Peers


class Unwritten:
    """Stands for the checkpoints that the chief writes, in a worker that writes none.

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
    """A request to stop that any worker received, as `StopRequest` has it for one process."""

    def __init__(self, own: StopRequest, peers: Peers):
        """Stores this worker's request and the workers."""
        self._own, self._peers = own, peers

    @property
    def signum(self) -> int | None:
        """The signal that a worker received; None before. All workers must read it at the same place."""
        return self._peers.most(self._own.signum or 0) or None


def log_of(log: EventLog, peers: Peers, *, level: str) -> EventLog:
    """Returns the chief's log unchanged, and one that has no less than `level` for other workers."""
    return log if peers.leads else SharedLog({log: level})
