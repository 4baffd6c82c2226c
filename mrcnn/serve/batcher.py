"""Dynamic batching: collects single items from many threads and runs them as one batch.

A model needs less time per image for several images together than for one at a time.
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Closed(RuntimeError):
    """Raised for an item that is submitted after the batcher was closed."""


class _Job(NamedTuple):
    item: object
    future: Future


class Batcher(Generic[Item, Result]):
    """Collects submitted items into batches and runs each batch in one worker thread.

    A batch starts when it is full or when its first item has waited `wait_seconds`. Items that arrive while a batch
    runs form the next one, so under load batches are full and start without waiting.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Iterable[Result]],
        *,
        batch_size: int,
        wait_seconds: float,
        on_batch: Callable[[int], object] = lambda count: None,
    ):
        """Starts the worker thread.

        Args:
            work: maps a list of 1 to `batch_size` items to as many results, in order; called by one thread only.
            batch_size: most items of a batch.
            wait_seconds: longest time that the first item of a batch waits for others.
            on_batch: called with the number of items of each batch before it runs.
        """
        self._work, self._on_batch = work, on_batch
        self._size, self._wait = batch_size, wait_seconds
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()  # None: the end
        self._lock, self._closed = threading.Lock(), False
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the worker thread runs and items are accepted."""
        return self._thread.is_alive() and not self._closed

    def submit(self, item: Item) -> "Future[Result]":
        """Queues an item for the next batch.

        Returns:
            The future result. If a batch fails, each of its items is run again alone, and an item that fails alone sets
            its error as the future's exception.

        Raises:
            Closed: `close` was called before.
        """
        job = _Job(item, Future())
        with self._lock:
            if self._closed:
                raise Closed("the service is stopping")
            self._queue.put(job)
        return job.future

    def close(self) -> None:
        """Stops accepting items, runs those in the queue, then ends the thread."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while jobs := self._gather():
            if running := [job for job in jobs if job.future.set_running_or_notify_cancel()]:
                self._on_batch(len(running))
                self._run_batch(running)
            del jobs, running  # an idle thread keeps no reference to images

    def _gather(self) -> list[_Job]:
        first = self._queue.get()
        if first is None:
            return []
        jobs, deadline = [first], time.monotonic() + self._wait
        while len(jobs) < self._size:
            try:
                job = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            if job is None:
                self._queue.put(None)  # for the next `_gather`; nothing follows it in the queue
                break
            jobs.append(job)
        return jobs

    def _run_batch(self, jobs: list[_Job]) -> None:
        try:
            results = list(self._work([job.item for job in jobs]))  # type: ignore[misc]
            if len(results) != len(jobs):
                raise RuntimeError(f"{len(jobs)} items gave {len(results)} results")
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:
                self._run_batch([job])
            return
        for job, result in zip(jobs, results, strict=True):
            job.future.set_result(result)
