"""Computes a few items in threads before they are needed, and returns them in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def mapped(
    function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int, threads: int
) -> Generator[Result, None, None]:
    """Yields `function` of each item, in the order of the items.

    Args:
        function: called in other threads. An exception ends the iteration, so errors of single items belong in the
            result.
        items: read in the caller's thread.
        ahead: the most items submitted beyond the one just yielded, running or finished; at least 1.
        threads: items that are computed at the same time.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)  # also when the caller stops early
