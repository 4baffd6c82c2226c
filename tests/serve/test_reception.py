import asyncio

import numpy as np
import pytest
from starlette.requests import Request

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


def request(body, kind="application/json"):
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}, receive)


def test_bytes_and_pixels_become_images(reception):
    assert (
        asyncio.run(reception.with_image(image_bytes(20, 30, 7), lambda image: image.tolist())) == [[[7] * 3] * 30] * 20
    )
    pixels = np.zeros((2, 3, 3), np.uint8)
    assert asyncio.run(reception.with_image(pixels, lambda image: image)) is pixels


def test_an_image_beyond_the_limit_is_not_decoded(reception):
    with pytest.raises(Refusal) as caught:
        asyncio.run(reception.with_image(image_bytes(20, 31), lambda image: pytest.fail("decoded")))
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

    def work(image):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        np.linalg.svd(np.random.default_rng(0).random((60, 60)))
        inside -= 1
        return image.shape

    async def main(height):
        data = image_bytes(height, 1)
        return await asyncio.gather(*(reception.with_image(data, work, size=2**27) for _ in range(6)))

    assert asyncio.run(main(600)) == [(600, 1, 3)] * 6
    assert most == 1


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
        async with reception.enter(), reception.enter():
            third = asyncio.create_task(reception.enter().__aenter__())
            await asyncio.sleep(0.01)
            return third.done() or third.cancel()

    assert asyncio.run(main()) is True
