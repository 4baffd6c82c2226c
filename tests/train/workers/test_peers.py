"""Workers as threads would share one TensorFlow; real processes exchange values in `test_two_workers.py`."""

import pytest
import tensorflow as tf

from mrcnn.errors import UserError
from mrcnn.train.workers import peers
from mrcnn.train.workers.cluster import Cluster
from mrcnn.train.workers.peers import ALONE, LostWorker, Peers

PLACES = ("a:1", "b:2", "c:3")


class Scripted(Peers):
    """A worker whose peers have given values."""

    def __init__(self, index, values, *, count=2):
        super().__init__(Cluster(PLACES[:count], index), tf.distribute.OneDeviceStrategy("CPU:0"))
        self.values = values

    def all_values(self, value):
        return [*self.values[: self.index], value, *self.values[self.index :]]


def test_alone_has_its_own_values():
    assert (ALONE.index, ALONE.count, ALONE.leads) == (0, 1, True)
    assert ALONE.gather(b"abc") == [b"abc"]
    assert ALONE.all_values({"a": 1.5}) == [{"a": 1.5}]
    assert ALONE.of_chief(3) == 3
    assert ALONE.most(7) == 7
    ALONE.check_equal({"settings": 1})


def test_gather_restores_messages_of_any_length():
    # the strategy of one device has one row, so a single worker's message comes back
    one = Peers(Cluster(("a:1",), 0), tf.distribute.OneDeviceStrategy("CPU:0"))
    for content in (b"", b"1", b"12345678", b"123456789", bytes(range(256)) * 100, b"\0\0"):
        assert one.gather(content) == [content]
    assert one.most(2**40) == 2**40


def test_of_chief_is_the_same_in_all_workers():
    assert Scripted(0, [None]).of_chief({"loss": 1.5}) == {"loss": 1.5}
    assert Scripted(1, [{"loss": 1.5}]).of_chief(None) == {"loss": 1.5}


def test_check_equal_names_worker_and_fact():
    facts = {"settings": 1, "classes": {"bar": 1}}
    Scripted(0, [facts]).check_equal(facts)
    other = {"settings": 1, "classes": {"bar": 2}}
    for here, there, index in ((facts, other, 0), (other, facts, 1)):
        with pytest.raises(UserError, match=r"^worker 1 \(b:2\) has classes other than the chief's; all workers need"):
            Scripted(index, [there]).check_equal(here)
    with pytest.raises(UserError, match="has classes other"):
        Scripted(0, [{"settings": 1}]).check_equal(facts)


@pytest.mark.parametrize(
    ("index", "count", "text", "named"),
    [
        (0, 3, "Collective ops is aborted by: task /job:worker/replica:0/task:2 stopped sending heartbeats", "2 (c:3)"),
        (1, 3, "/job:worker/task:1 says: /job:worker/replica:0/task:0: Socket closed", "0 (a:1)"),
        (0, 2, "Collective ops is aborted by: Socket closed", "1 (b:2)"),
        (1, 2, "Connection reset by peer", "0 (a:1)"),
    ],
)
def test_surviving_names_the_lost_worker(index, count, text, named):
    with pytest.raises(LostWorker) as caught, Scripted(index, [], count=count).surviving():
        raise tf.errors.UnavailableError(None, None, text)
    assert str(caught.value) == (
        f"worker {named} was lost, so the run ends here; its own log has the reason. Start all workers again with "
        "`--resume`, as many as you like"
    )


def test_surviving_without_a_name():
    with pytest.raises(LostWorker, match=r"^another worker was lost"), Scripted(0, [], count=3).surviving():
        raise tf.errors.AbortedError(None, None, "Collective ops is aborted by: unknown")


def test_surviving_leaves_other_errors_alone():
    with pytest.raises(tf.errors.ResourceExhaustedError), Scripted(0, []).surviving():
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
    with pytest.raises(tf.errors.UnavailableError), ALONE.surviving():
        raise tf.errors.UnavailableError(None, None, "Socket closed")
    with pytest.raises(KeyError), Scripted(0, []).surviving():
        raise KeyError("Socket closed")


def test_start_needs_a_free_port(monkeypatch):
    def refuse(resolver):
        assert resolver.cluster_spec().as_dict() == {"worker": ["a:1", "b:2"]}
        assert (resolver.task_type, resolver.task_id) == ("worker", 1)
        raise tf.errors.UnknownError(None, None, "Could not start gRPC server")

    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", refuse)
    with pytest.raises(UserError, match="worker 1 cannot start at b:2: Could not start gRPC server"):
        peers.start(Cluster(("a:1", "b:2"), 1))
