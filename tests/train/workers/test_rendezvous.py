import socket
import threading
import time

import pytest

from mrcnn.errors import UserError
from mrcnn.train.workers import rendezvous
from mrcnn.train.workers.cluster import Cluster


@pytest.fixture
def addresses():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return f"127.0.0.1:{port}", "127.0.0.1:1", "127.0.0.1:2"


def together(addresses, devices, *, counts=None, limit=5.0):
    """Lets all workers wait in a thread each; returns their errors by index."""
    errors = {}

    def wait(index):
        try:
            cluster = Cluster(addresses[: (counts or {}).get(index, len(devices))], index)
            rendezvous.wait_for_all(cluster, devices=devices[index], limit=limit)
        except UserError as error:
            errors[index] = str(error)

    threads = [threading.Thread(target=wait, args=(index,)) for index in reversed(range(len(devices)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_wait_for_all_returns_in_all_workers(addresses):
    assert together(addresses, [1, 1, 1]) == {}


def test_wait_for_all_needs_as_many_devices_in_each(addresses):
    errors = together(addresses, [2, 2, 4], limit=3.0)
    assert errors[0] == (
        "worker 2 (127.0.0.1:2) has 4 devices and the chief 2; all need as many GPUs in `gpu_devices`, or none"
    )
    assert set(errors) == {0, 1, 2}


def test_wait_for_all_needs_the_same_cluster(addresses):
    errors = together(addresses, [1, 1], counts={1: 3}, limit=3.0)
    assert "a worker reports number 1 of 3, but this run has 2" in errors[0]


def test_wait_for_all_the_chief_names_who_is_missing(addresses):
    notes = []
    with pytest.raises(UserError, match=r"2 of 3 workers did not start within 0.1 seconds: 127.0.0.1:1, 127.0.0.1:2"):
        rendezvous.wait_for_all(Cluster(addresses, 0), devices=1, limit=0.1, note=notes.append)
    assert notes == ["waiting for 2 more of 3 workers, at most 0.1 seconds"]


def test_wait_for_all_a_worker_without_a_chief(addresses):
    with pytest.raises(UserError, match=f"worker 1 waited 0.3 seconds for the chief {addresses[0]}"):
        rendezvous.wait_for_all(Cluster(addresses[:2], 1), devices=1, limit=0.3)


def test_wait_for_all_a_chief_that_ends(addresses, monkeypatch):
    """The chief ends since the worker has other devices."""
    monkeypatch.setattr(rendezvous, "GRACE", 0.5)
    begin = time.monotonic()
    errors = together(addresses, [2, 4], limit=60.0)
    assert time.monotonic() - begin < 30.0
    assert errors[1] == (
        f"worker 1: the chief {addresses[0]} ended before the training began; its log has the reason. Start all "
        "workers again"
    )


def test_wait_for_all_a_chief_that_starts_again(addresses, monkeypatch):
    monkeypatch.setattr(rendezvous, "GRACE", 30.0)
    host, port = addresses[0].split(":")
    errors = {}
    worker = threading.Thread(target=lambda: errors.update(together(addresses, [1], counts={0: 2})))

    def wait():
        try:
            rendezvous.wait_for_all(Cluster(addresses[:2], 1), devices=1, limit=30.0)
        except UserError as error:
            errors[1] = str(error)

    second = threading.Thread(target=wait)
    with socket.create_server((host, int(port))) as listener:  # a chief that ends after the first message
        second.start()
        connection = listener.accept()[0]
        connection.recv(64)
        connection.close()
    worker.start()
    worker.join()
    second.join()
    assert errors == {}


def test_wait_for_all_ignores_other_connections(addresses):
    host, port = addresses[0].split(":")
    errors = {}
    chief = threading.Thread(target=lambda: errors.update(together(addresses, [1], counts={0: 2}, limit=5.0)))
    chief.start()
    for attempt in range(100):  # a scan of the ports, as soon as the chief listens
        try:
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                break
        except OSError:
            assert attempt < 99
            time.sleep(0.05)
    rendezvous.wait_for_all(Cluster(addresses[:2], 1), devices=1, limit=5.0)
    chief.join()
    assert errors == {}


def test_wait_for_all_a_port_in_use(addresses):
    host, port = addresses[0].split(":")
    with socket.create_server((host, int(port))), pytest.raises(UserError, match="the chief cannot listen at"):
        rendezvous.wait_for_all(Cluster(addresses[:2], 0), devices=1, limit=3.0)
