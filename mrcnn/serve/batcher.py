"""Single items of many threads, worked on together: a model is faster with several images than with one at a time."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Closed(RuntimeError):
    """Says that no more items are taken."""


class _Job(NamedTuple):
    item: object
    future: Future


class Batcher(Generic[Item, Result]):
    """Collects items until a batch is full or the first of them has waited long enough, and works on them in one go.

    While a batch is worked on the next one gathers, so under load batches are full and nobody waits for the clock.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Iterable[Result]],
        *,
        batch_size: int,
        wait_seconds: float,
        on_batch: Callable[[int], object] = lambda count: None,
    ):
        """Starts the thread that works.

        Args:
            work: from 1 to `batch_size` items to as many results, in order; called by one thread only.
            batch_size: the most items of a batch.
            wait_seconds: how long the first item of a batch waits for others.
            on_batch: told the size of each batch before it is worked on.
        """
        self._work, self._on_batch = work, on_batch
        self._size, self._wait = batch_size, wait_seconds
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()  # None: the end
        self._lock, self._closed = threading.Lock(), False
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Tells whether items are taken and answered."""
        return self._thread.is_alive() and not self._closed

    def submit(self, item: Item) -> "Future[Result]":
        """Queues an item and returns its future result; where a batch fails, each of its items is tried alone.

        Raises:
            Closed: after `close`.
        """
        job = _Job(item, Future())
        with self._lock:
            if self._closed:
                raise Closed("the service is stopping")
            self._queue.put(job)
        return job.future

    def close(self) -> None:
        """Answers what waits, then ends the thread."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while self._answer_next():
            pass

    def _answer_next(self) -> bool:
        """Answers one batch; a function of its own, so that an idle thread holds no images."""
        jobs = self._gather()
        running = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        if running:
            self._on_batch(len(running))
            self._answer(running)
        return bool(jobs)

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
                self._queue.put(None)  # for the next turn; nothing comes after it
                break
            jobs.append(job)
        return jobs

    def _answer(self, jobs: list[_Job]) -> None:
        try:
            results = list(self._work([job.item for job in jobs]))  # type: ignore[misc]
            if len(results) != len(jobs):
                raise RuntimeError(f"{len(jobs)} items gave {len(results)} results")
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:
                self._answer([job])
            return
        for job, result in zip(jobs, results, strict=True):
            job.future.set_result(result)
