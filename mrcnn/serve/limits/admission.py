"""Request limits: bounds the requests in progress and the memory they use.

A request beyond the limits waits, and its body is not read until it is admitted.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mrcnn.serve.responses import RequestError


class Admission:
    """Limits concurrent requests and the working memory they share, first come, first served."""

    def __init__(self, *, active: int, waiting: int, budget: int):
        """Stores the limits.

        Args:
            active: most requests admitted at a time.
            waiting: most requests that wait to be admitted; further ones are refused.
            budget: bytes of working memory that all admitted requests share.
        """
        self._room, self._waiting, self._most_waiting = asyncio.Semaphore(active), 0, waiting
        self._budget = self._free = budget
        self._turn, self._freed = asyncio.Lock(), asyncio.Event()

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Waits until the request is admitted; the block's end makes room for another.

        Raises:
            RequestError: `waiting` requests wait already (503).
        """
        if self._waiting >= self._most_waiting:
            raise RequestError(
                f"the service is busy, {self._waiting} requests wait already; try again later",
                status=503,
                retry_after=5,
            )
        self._waiting += 1
        try:
            await self._room.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._room.release()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Reserves `size` bytes of the budget for the block, and waits until they are free.

        A size above the budget reserves the whole budget. Never nest it: two holders that wait for each other's bytes
        would deadlock.
        """
        size = min(size, self._budget)
        async with (
            self._turn
        ):  # only one request at a time waits for bytes, so that small ones do not overtake a large one
            while self._free < size:
                self._freed.clear()
                await self._freed.wait()
            self._free -= size
        try:
            yield
        finally:
            self._free += size
            self._freed.set()
