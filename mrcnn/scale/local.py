"""Runs the shards of a job in processes of this machine, by Python's `ProcessPoolExecutor`.

The pool is restarted when a worker lost its device or was killed, for example by the system when memory ran out.
Workers end with this process, even if it is killed.
"""

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from mrcnn.errors import UserError, counted
from mrcnn.scale import machine, worker
from mrcnn.scale.failure import Lost
from mrcnn.scale.job import Counts, Work

MOST_BARREN = 3  # pools in a row that may break without a finished shard


def run(
    work: Work, shards: Sequence[int], *, workers: int, gpus: Sequence[str], warn: Callable[[str], None]
) -> Iterator[Counts]:
    """Yields the counts of each shard as it is done.

    Args:
        work: of the job.
        shards: numbers of the shards.
        workers: number of processes.
        gpus: names of the GPUs that they share; none for the CPU.
        warn: called with one line when a worker was killed or lost its device.

    Raises:
        UserError: a worker raised it, or workers are killed, or lose their devices, again and again.
    """
    left, barren = dict.fromkeys(shards), 0
    while left:
        before = len(left)
        try:
            for counts in _in_pool(work, list(left), workers=workers, gpus=gpus):
                del left[counts.shard]
                yield counts
        except (BrokenProcessPool, Lost) as error:
            barren = 0 if len(left) < before else barren + 1
            if barren == MOST_BARREN and isinstance(error, Lost):
                raise UserError(
                    f"{error}; {MOST_BARREN} times in a row without a finished shard: start the job again when the "
                    "device and the model work"
                ) from error
            if barren == MOST_BARREN:
                raise UserError(
                    f"workers are killed before they finish a shard, {MOST_BARREN} times in a row; the first shard "
                    f"that is not done is {next(iter(left))}: use fewer --workers if memory is short, or a smaller "
                    "--shard-size"
                ) from None
            reason = f"{error}; all workers" if isinstance(error, Lost) else "a worker was killed, so all"
            warn(f"{reason} are restarted; {counted(len(left), 'shard')} left")


def in_process(function: Callable[[Work], Any], work: Work, *, gpus: Sequence[str]) -> Any:
    """Calls a function in a process of its own, so that this one needs no TensorFlow and no GPU.

    Raises:
        UserError: the function raised it, or the process was killed.
    """
    with _pool(1, initializer=_begin_alone, arguments=(tuple(gpus),)) as pool:
        try:
            return pool.submit(function, work).result()
        except BrokenProcessPool as error:
            raise UserError(
                f"the process that loads {work.model} was killed, perhaps because memory ran out"
            ) from error


def _in_pool(work: Work, shards: Sequence[int], *, workers: int, gpus: Sequence[str]) -> Iterator[Counts]:
    count = min(workers, len(shards))
    with _pool(count, initializer=_begin, arguments=(count, tuple(gpus))) as pool:
        text = work.to_json()
        try:
            for future in as_completed([pool.submit(worker.run_shard, text, shard) for shard in shards]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after an error the waiting shards are not started


def _pool(count: int, *, initializer: Callable[..., None], arguments: tuple[Any, ...]) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    return ProcessPoolExecutor(count, context, initializer=initializer, initargs=arguments)


def _begin_alone(gpus: Sequence[str]) -> None:
    _end_with_parent()
    machine.settle(0, 1, gpu_names=gpus)


def _begin(count: int, gpus: Sequence[str]) -> None:
    _end_with_parent()
    # processes are numbered in the order in which they are started, so those of one pool have different shares
    number = int(multiprocessing.current_process().name.rpartition("-")[2].rpartition(":")[2])
    machine.settle(number % count, count, gpu_names=gpus)


def _end_with_parent() -> None:
    """Ends this process at once when its parent has ended, even if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_for, args=(parent.sentinel,), daemon=True).start()


def _wait_for(sentinel: Any) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
