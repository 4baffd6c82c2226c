"""How much the service takes on at a time: what is beyond waits, with its body unread, so memory stays bounded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mrcnn.serve.refusals import Refusal


class Admission:
    """Lets some requests in, and among them hands out a budget of bytes, both first come, first served."""

    def __init__(self, *, active: int, waiting: int, budget: int):
        """Takes the limits.

        Args:
            active: requests that are in at a time.
            waiting: requests that may wait for that; more are refused.
            budget: bytes of working memory that are handed out at a time.
        """
        self._room, self._waiting, self._most_waiting = asyncio.Semaphore(active), 0, waiting
        self._budget = self._free = budget
        self._turn, self._freed = asyncio.Lock(), asyncio.Event()

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Waits to be let in.

        Raises:
            Refusal: too many wait already.
        """
        if self._waiting >= self._most_waiting:
            raise Refusal(
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
        """Waits until `size` bytes of the budget are free; more than all of it means all of it.

        Never to be nested: two holders that wait for each other's bytes would wait for ever.
        """
        size = min(size, self._budget)
        async with self._turn:  # one at a time waits for bytes, so that small ones do not pass a large one
            while self._free < size:
                self._freed.clear()
                await self._freed.wait()
            self._free -= size
        try:
            yield
        finally:
            self._free += size
            self._freed.set()
