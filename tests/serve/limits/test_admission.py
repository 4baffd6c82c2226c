import asyncio

import pytest

from mrcnn.serve.limits.admission import Admission
from mrcnn.serve.responses import RequestError


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


def test_enter_admits_a_few_at_a_time_and_all_in_turn():
    async def main():
        admission = Admission(active=2, waiting=10, budget=1)
        inside, most, done = 0, 0, 0

        async def visit():
            nonlocal inside, most, done
            async with admission.enter():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
                done += 1

        await asyncio.gather(*(visit() for _ in range(7)))
        return most, done

    assert asyncio.run(main()) == (2, 7)


def test_enter_refuses_when_too_many_wait():
    async def main():
        admission, out = Admission(active=1, waiting=1, budget=1), asyncio.Event()

        async def visit():
            async with admission.enter():
                await out.wait()

        tasks = [asyncio.create_task(visit()) for _ in range(2)]
        await settle()
        with pytest.raises(RequestError) as caught:
            await visit()
        assert (caught.value.status, caught.value.retry_after) == (503, 5)
        tasks[1].cancel()  # it waits no more, so there is room for another
        await settle()
        third = asyncio.create_task(visit())
        await settle()
        out.set()
        await asyncio.gather(tasks[0], third)

    asyncio.run(main())


def test_hold_reserves_in_order_and_small_sizes_do_not_overtake():
    async def main():
        admission, order = Admission(active=9, waiting=9, budget=10), []
        gates = {name: asyncio.Event() for name in "abc"}

        async def holder(name, size):
            async with admission.hold(size):
                order.append(name)
                await gates[name].wait()

        tasks = [asyncio.create_task(holder(*item)) for item in (("a", 4), ("b", 8), ("c", 1))]
        await settle()
        assert order == ["a"]  # 4 + 8 > 10, and c comes after b though it would fit
        gates["a"].set()
        await settle()
        assert order == ["a", "b", "c"]  # 8 + 1 <= 10
        gates["b"].set()
        gates["c"].set()
        await asyncio.gather(*tasks)
        async with admission.hold(10):
            order.append("all given back")
        return order

    assert asyncio.run(main())[-1] == "all given back"


def test_hold_of_more_than_the_budget_reserves_all_of_it():
    async def main():
        admission = Admission(active=1, waiting=1, budget=10)
        async with admission.hold(1000):
            waiting = asyncio.create_task(admission.hold(1).__aenter__())
            await settle()
            assert not waiting.done()
        await asyncio.wait_for(waiting, 5)

    asyncio.run(main())


def test_hold_frees_its_bytes_after_an_error():
    async def main():
        admission = Admission(active=1, waiting=1, budget=10)
        with pytest.raises(ValueError, match="broken"):
            async with admission.hold(10):
                raise ValueError("broken")
        async with asyncio.timeout(5), admission.hold(10):
            return True

    assert asyncio.run(main())
