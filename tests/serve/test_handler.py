import asyncio
import gc
import threading
from contextlib import asynccontextmanager

import numpy as np
import pytest
from starlette.requests import ClientDisconnect, Request

from mrcnn.serve.handler import RequestHandler
from mrcnn.serve.responses import RequestError
from mrcnn.serve.service import Service

from .helpers import image_bytes, make_handler, make_predictor, request


@pytest.fixture
def handler():
    with make_handler() as made:
        yield made


def test_run_on_image_accepts_bytes_and_pixels(handler):
    data = image_bytes(20, 30, 7)
    found = asyncio.run(handler.run_on_image(data, lambda image, disconnect: image.tolist(), request=request()))
    assert found == [[[7] * 3] * 30] * 20
    pixels = np.zeros((2, 3, 3), np.uint8)
    assert asyncio.run(handler.run_on_image(pixels, lambda image, disconnect: image, request=request())) is pixels


def test_run_on_image_does_not_decode_an_image_beyond_the_limit(handler):
    with pytest.raises(RequestError) as caught:
        asyncio.run(handler.run_on_image(image_bytes(20, 31), lambda *_: pytest.fail("decoded"), request=request()))
    assert caught.value.status == 413


def test_parse_runs_outside_the_event_loop(handler):
    async def main():
        loop = asyncio.get_running_loop()
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        await handler.parse(5, lambda: asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), loop).result(5))
        ticking.cancel()
        return ticks

    assert asyncio.run(main()) > 10


def test_run_on_image_bounds_the_images_in_memory(handler):
    """Each of these images takes more than half of what may be worked on, so they go one by one."""
    inside, most = 0, 0

    def work(image, disconnect):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        np.linalg.svd(np.random.default_rng(0).random((60, 60)))
        inside -= 1
        return image.shape

    async def main(height):
        data = image_bytes(height, 1)
        return await asyncio.gather(
            *(handler.run_on_image(data, work, request=request(), size=2**27) for _ in range(6))
        )

    assert asyncio.run(main(600)) == [(600, 1, 3)] * 6
    assert most == 1


def test_run_on_image_stops_when_the_client_disconnects(handler):
    async def main():
        leaves, began, ended = asyncio.Event(), threading.Event(), threading.Event()

        def work(image, disconnect):
            began.set()
            disconnect.result(30)  # as a service that looks whether somebody still waits
            ended.set()
            raise RuntimeError("nobody hears this")

        waiting = asyncio.create_task(handler.run_on_image(image_bytes(), work, request=request(leaves=leaves)))
        await asyncio.to_thread(began.wait, 30)
        leaves.set()
        with pytest.raises(ClientDisconnect):
            await waiting
        assert ended.is_set()  # what the work held is free again

    asyncio.run(main())


def test_run_on_image_stops_when_it_is_cancelled(handler, caplog):
    async def main():
        began = threading.Event()

        def work(image, disconnect):
            began.set()
            disconnect.result(30)
            raise RuntimeError("nobody hears this")

        waiting = asyncio.create_task(handler.run_on_image(image_bytes(), work, request=request()))
        await asyncio.to_thread(began.wait, 30)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(handler.close)

    asyncio.run(main())
    gc.collect()
    assert caplog.records == []


def test_parse_json_reads_within_its_limits(handler):
    assert asyncio.run(handler.parse_json(request(b"{}", kind="text/plain"), bytes)) == b"{}"
    with pytest.raises(RequestError) as caught:
        asyncio.run(handler.parse_json(request(b"x" * 1001), bytes))
    assert caught.value.status == 413


def test_parse_json_refuses_too_many_values_before_parsing():
    service = Service(make_predictor())
    handler = RequestHandler(service, model_name="cats", active=1, max_body_bytes=10**7, max_pixels=600)
    with pytest.raises(RequestError) as caught:
        asyncio.run(handler.parse_json(request(b"{}," * 2_000_000), bytes))
    assert caught.value.status == 413
    assert str(caught.value).startswith("the JSON text holds too many values")
    handler.close()
    service.close()


@pytest.mark.parametrize(("mask_bits", "held"), [(1, 3 + 100 // 8 + 1 + 16), (16, 3 + 100 * 2 + 1 + 16)])
def test_run_on_image_reserves_the_memory_of_the_masks(mask_bits, held, monkeypatch):
    predictor = make_predictor()
    predictor.mask_bits = mask_bits
    service = Service(predictor)
    assert service.facts.choices.detections_per_image == 100
    handler = RequestHandler(service, model_name="cats", active=1, max_body_bytes=10**7, max_pixels=32_000_000)
    sizes = []

    @asynccontextmanager
    async def hold(size):
        sizes.append(size)
        yield

    monkeypatch.setattr(handler._admission, "hold", hold)
    image = np.zeros((20, 30, 3), np.uint8)
    asyncio.run(handler.run_on_image(image, lambda image, disconnect: image.shape, request=request()))
    assert sizes == [600 * held]
    handler.close()
    service.close()


@pytest.mark.parametrize(("name", "version"), [("dogs", "1"), ("cats", "2"), ("", "")])
def test_check_model_of_another_model_is_404(handler, name, version):
    handler.check_model("cats", "1")
    with pytest.raises(RequestError) as caught:
        handler.check_model(name, version)
    assert caught.value.status == 404


def test_admit_lets_only_so_many_in(handler):
    async def main():
        enter = asynccontextmanager(handler.admit)
        post = request()
        async with enter(post), enter(post):
            third = asyncio.create_task(enter(post).__aenter__())
            get = Request({**post.scope, "method": "GET"})
            async with asyncio.timeout(5), enter(get):  # a GET has no body, so it need not wait
                await asyncio.sleep(0.01)
            return third.done() or third.cancel()

    assert asyncio.run(main()) is True
