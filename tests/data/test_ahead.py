"""Items computed in threads before they are needed."""

import threading

import pytest

from mrcnn.data.ahead import mapped


def counted(read, count=6):
    for index in range(count):
        read.append(index)
        yield index


def test_mapped_keeps_the_order():
    last = threading.Event()

    def slow_first(item):
        if item == 0:
            assert last.wait(10)  # the second is done before the first
        else:
            last.set()
        return item * 10

    assert list(mapped(slow_first, [0, 1, 2], ahead=2, threads=2)) == [0, 10, 20]


@pytest.mark.parametrize("ahead", [1, 3])
def test_mapped_reads_no_further_than_it_may(ahead):
    read = []
    results = mapped(lambda item: item, counted(read), ahead=ahead, threads=1)
    assert read == []
    assert next(results) == 0
    assert read == list(range(ahead + 1))
    assert next(results) == 1
    assert read == list(range(ahead + 2))


def test_mapped_of_nothing():
    assert list(mapped(str, [], ahead=2, threads=1)) == []


def test_mapped_raises_where_the_item_stands():
    results = mapped(lambda item: 1 / item, [1, 0, 2], ahead=2, threads=1)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_mapped_ends_its_threads_when_its_caller_stops():
    before = threading.active_count()
    results = mapped(lambda item: item, range(100), ahead=3, threads=2)
    next(results)
    assert threading.active_count() > before
    results.close()
    assert threading.active_count() == before


def test_mapped_cancels_waiting_items_when_its_caller_stops():
    leave, started = threading.Event(), []

    def slow(item):
        started.append(item)
        assert item == 0 or leave.wait(10)
        return item

    results = mapped(slow, range(9), ahead=3, threads=1)
    assert next(results) == 0
    threading.Timer(0.2, leave.set).start()
    results.close()
    assert started in ([0], [0, 1])
