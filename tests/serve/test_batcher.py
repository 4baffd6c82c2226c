"""The batcher alone: numbers in, numbers out."""

import threading
import time

import pytest

from mrcnn.serve.batcher import Batcher, Closed


class Doubling:
    """Doubles numbers, notes the batches, and waits at a gate where there is one."""

    def __init__(self, gate=None):
        self.batches, self._gate = [], gate

    def __call__(self, numbers):
        if self._gate is not None:
            assert self._gate.wait(10)
        self.batches.append(list(numbers))
        if 13 in numbers:
            raise ValueError("13")
        return [2 * number for number in numbers]


def test_batcher_submit_while_the_model_works_forms_one_batch():
    gate = threading.Event()
    work = Doubling(gate)
    batcher = Batcher(work, batch_size=3, wait_seconds=0.0)
    futures = [batcher.submit(0)]
    while batcher._queue.qsize():  # the first one is being worked on
        time.sleep(0.001)
    futures += [batcher.submit(number) for number in range(1, 6)]
    gate.set()
    assert [future.result(10) for future in futures] == [0, 2, 4, 6, 8, 10]
    assert work.batches == [[0], [1, 2, 3], [4, 5]]
    batcher.close()


def test_batcher_submit_waits_for_others_but_not_longer_than_wait_seconds():
    work = Doubling()
    batcher = Batcher(work, batch_size=2, wait_seconds=0.2)
    began = time.monotonic()
    first = batcher.submit(1)
    time.sleep(0.02)
    second = batcher.submit(2)
    assert (first.result(10), second.result(10)) == (2, 4)
    assert time.monotonic() - began < 0.2  # full, so nobody waits for the clock
    assert work.batches == [[1, 2]]
    began = time.monotonic()
    assert batcher.submit(3).result(10) == 6
    assert 0.2 <= time.monotonic() - began < 5
    batcher.close()


def test_batcher_submit_of_a_failing_item_leaves_its_batch_alone():
    work, sizes = Doubling(), []
    batcher = Batcher(work, batch_size=3, wait_seconds=0.2, on_batch=sizes.append)
    futures = [batcher.submit(number) for number in (1, 13, 2)]
    assert (futures[0].result(10), futures[2].result(10)) == (2, 4)
    with pytest.raises(ValueError, match="13"):
        futures[1].result(10)
    assert work.batches == [[1, 13, 2], [1], [13], [2]]
    assert sizes == [3]
    assert batcher.submit(5).result(10) == 10  # and the thread lives
    batcher.close()


def test_batcher_submit_fails_when_results_are_too_few():
    batcher = Batcher(lambda items: [], batch_size=1, wait_seconds=0.0)
    with pytest.raises(RuntimeError, match="1 items gave 0 results"):
        batcher.submit(1).result(10)
    batcher.close()


def test_batcher_close_answers_what_waits_and_accepts_no_more():
    gate = threading.Event()
    batcher = Batcher(Doubling(gate), batch_size=2, wait_seconds=5.0)
    futures = [batcher.submit(number) for number in range(5)]
    closing = threading.Thread(target=batcher.close)
    closing.start()
    while batcher.alive:
        time.sleep(0.001)
    with pytest.raises(Closed):
        batcher.submit(9)
    gate.set()
    closing.join(10)
    assert [future.result(0) for future in futures] == [0, 2, 4, 6, 8]
    batcher.close()  # a second time does nothing


def test_batcher_submit_of_a_cancelled_item_is_not_run():
    gate = threading.Event()
    work = Doubling(gate)
    batcher = Batcher(work, batch_size=1, wait_seconds=0.0)
    first = batcher.submit(1)
    while not first.running():
        time.sleep(0.001)
    second = batcher.submit(2)
    assert second.cancel()
    gate.set()
    batcher.close()
    assert work.batches == [[1]]


def test_batcher_submit_from_many_threads_returns_each_its_own_result():
    batcher = Batcher(Doubling(), batch_size=4, wait_seconds=0.001)
    answers = {}

    def ask(number):
        answers[number] = batcher.submit(number).result(10)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == {number: 2 * number for number in range(100, 200)}
    batcher.close()
