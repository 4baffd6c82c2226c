import asyncio
import gc
import threading
from contextlib import asynccontextmanager

import numpy as np
import pytest
from starlette.requests import ClientDisconnect, Request

from mrcnn.serve.reception import Reception
from mrcnn.serve.refusals import Refusal
from mrcnn.serve.service import Service

from .helpers import image_bytes, make_predictor


@pytest.fixture
def reception():
    service = Service(make_predictor())
    made = Reception(service, model_name="cats", active=2, max_body_bytes=1000, max_pixels=600)
    yield made
    made.close()
    service.close()


def request(body=b"", kind="application/json", leaves=None):
    """Makes a request whose client leaves as soon as the event `leaves` is set."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if messages:
            return messages.pop()
        await (asyncio.Event() if leaves is None else leaves).wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}, receive)


def test_bytes_and_pixels_become_images(reception):
    data = image_bytes(20, 30, 7)
    found = asyncio.run(reception.with_image(data, lambda image, gone: image.tolist(), request=request()))
    assert found == [[[7] * 3] * 30] * 20
    pixels = np.zeros((2, 3, 3), np.uint8)
    assert asyncio.run(reception.with_image(pixels, lambda image, gone: image, request=request())) is pixels


def test_an_image_beyond_the_limit_is_not_decoded(reception):
    with pytest.raises(Refusal) as caught:
        asyncio.run(reception.with_image(image_bytes(20, 31), lambda *_: pytest.fail("decoded"), request=request()))
    assert caught.value.status == 413


def test_the_work_runs_elsewhere_than_the_loop(reception):
    async def main():
        loop = asyncio.get_running_loop()
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        await reception.read(5, lambda: asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), loop).result(5))
        ticking.cancel()
        return ticks

    assert asyncio.run(main()) > 10


def test_images_in_memory_at_a_time_are_bounded(reception):
    """Each of these images takes more than half of what may be worked on, so they go one by one."""
    inside, most = 0, 0

    def work(image, gone):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        np.linalg.svd(np.random.default_rng(0).random((60, 60)))
        inside -= 1
        return image.shape

    async def main(height):
        data = image_bytes(height, 1)
        return await asyncio.gather(
            *(reception.with_image(data, work, request=request(), size=2**27) for _ in range(6))
        )

    assert asyncio.run(main(600)) == [(600, 1, 3)] * 6
    assert most == 1


def test_who_leaves_is_not_worked_for_any_longer(reception):
    async def main():
        leaves, began, ended = asyncio.Event(), threading.Event(), threading.Event()

        def work(image, gone):
            began.set()
            gone.result(30)  # as a service that looks whether somebody still waits
            ended.set()
            raise RuntimeError("nobody hears this")

        waiting = asyncio.create_task(reception.with_image(image_bytes(), work, request=request(leaves=leaves)))
        await asyncio.to_thread(began.wait, 30)
        leaves.set()
        with pytest.raises(ClientDisconnect):
            await waiting
        assert ended.is_set()  # what the work held is free again

    asyncio.run(main())


def test_work_that_is_cancelled_is_told(reception, caplog):
    async def main():
        began = threading.Event()

        def work(image, gone):
            began.set()
            gone.result(30)
            raise RuntimeError("nobody hears this")

        waiting = asyncio.create_task(reception.with_image(image_bytes(), work, request=request()))
        await asyncio.to_thread(began.wait, 30)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(reception.close)

    asyncio.run(main())
    gc.collect()
    assert caplog.records == []


def test_a_document_is_read_within_its_limits(reception):
    assert asyncio.run(reception.document(request(b"{}", kind="text/plain"))) == b"{}"
    with pytest.raises(Refusal) as caught:
        asyncio.run(reception.document(request(b"x" * 1001)))
    assert caught.value.status == 413


def test_a_document_of_too_many_values_is_refused_before_it_is_parsed():
    service = Service(make_predictor())
    reception = Reception(service, model_name="cats", active=1, max_body_bytes=10**7, max_pixels=600)
    with pytest.raises(Refusal) as caught:
        asyncio.run(reception.document(request(b"{}," * 2_000_000)))
    assert caught.value.status == 413
    assert str(caught.value).startswith("the JSON text holds too many values")
    reception.close()
    service.close()


@pytest.mark.parametrize(("name", "version"), [("dogs", "1"), ("cats", "2"), ("", "")])
def test_another_model_is_404(reception, name, version):
    reception.check_model("cats", "1")
    with pytest.raises(Refusal) as caught:
        reception.check_model(name, version)
    assert caught.value.status == 404


def test_only_so_many_enter(reception):
    async def main():
        enter = asynccontextmanager(reception.admit)
        async with enter(), enter():
            third = asyncio.create_task(enter().__aenter__())
            await asyncio.sleep(0.01)
            return third.done() or third.cancel()

    assert asyncio.run(main()) is True
