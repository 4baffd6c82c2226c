import signal

from mrcnn.train.interrupt import StopRequest
from mrcnn.train.workers import followers
from mrcnn.train.workers.cluster import Cluster
from mrcnn.train.workers.peers import ALONE, Peers


class Two(Peers):
    """Two workers of which the other one has a given number."""

    def __init__(self, other=0):
        super().__init__(Cluster(("a:1", "b:2"), 1))
        self.other = other

    def most(self, number):
        return max(number, self.other)


def test_agreed_request_is_that_of_any_worker():
    own = StopRequest()
    assert followers.AgreedRequest(own, Two()).signum is None
    assert followers.AgreedRequest(own, Two(signal.SIGTERM)).signum == signal.SIGTERM
    own.signum = signal.SIGINT
    assert followers.AgreedRequest(own, Two()).signum == signal.SIGINT


def test_unwritten_writes_nothing(tmp_path, make_state):
    store = followers.Unwritten(tmp_path / "out")
    assert store.save_epoch(make_state(1), best=True) == store.root
    assert store.save_stopped(make_state(0, 1)) == tmp_path / "out"
    assert not store.root.exists()


def test_log_of_other_workers_has_problems_only(log):
    assert followers.log_of(log, ALONE, level="error") is log
    other = followers.log_of(log, Two(), level="warn")
    other.info("usual")
    other.warning("broken image")
    other.progress("images", 1, 2)
    other.metrics("train", 1.0, {"loss": 1.0})
    assert log.messages == ["broken image"]
