"""Request handling that all endpoints share: reads bodies, applies limits, runs work in threads."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from starlette.requests import ClientDisconnect, Request

from mrcnn.config import errors
from mrcnn.serve import bodies, json_text, pictures
from mrcnn.serve.admission import Admission
from mrcnn.serve.bodies import Parts
from mrcnn.serve.refusals import Refusal
from mrcnn.serve.service import Gone, Service

Answer = TypeVar("Answer")

VERSION = "1"  # of the model, in the newer protocols
BODY_SECONDS = 60.0  # time limit for a body to arrive, from the start of reading
MOST_WAITING = 1000  # requests; each holds a socket and 64 KiB of unread body
MOST_FORM_BYTES = 64 * 2**20  # working memory to parse the values beside the image
PASTING = 16  # bytes per pixel of an image while one mask of its size is enlarged or written
MOST_TENSOR_BYTES = 256 * 2**20  # working memory to parse pixels that come as JSON lists


class Reception:
    """Reads requests within the limits and runs slow work in a thread pool.

    Attributes:
        service: the model.
        model_name: the model's name in the paths of the newer protocols.
        channels: channels of the model's images.
        max_pixels: largest accepted height x width of an image.
    """

    def __init__(self, service: Service, *, model_name: str, active: int, max_body_bytes: int, max_pixels: int):
        """Stores the limits and starts the thread pool.

        Args:
            service: the model.
            model_name: the model's name in the paths of the newer protocols.
            active: most requests processed at a time, and threads; further requests wait.
            max_body_bytes: largest accepted body of a request.
            max_pixels: largest accepted height x width of an image. The memory of so many pixels is also the budget of
                all images processed at a time.
        """
        config = service.bundle.config
        self.service, self.model_name = service, model_name
        self.channels, self.max_pixels = config.channels, max_pixels
        self._image_range = config.image_range
        self._bytes_per_pixel = config.channels + config.detections_per_image // 8 + 1 + PASTING
        budget = max_pixels * self._bytes_per_pixel
        self._admission = Admission(active=active, waiting=MOST_WAITING, budget=max(budget, MOST_TENSOR_BYTES))
        self._threads = ThreadPoolExecutor(active, thread_name_prefix="request")
        self._max_body_bytes = max_body_bytes

    async def admit(self) -> AsyncIterator[None]:
        """FastAPI dependency: waits until the request is admitted, and frees its slot after the response.

        Raises:
            Refusal: too many requests wait already (503).
        """
        async with self._admission.enter():
            yield

    def close(self) -> None:
        """Waits for running work and ends the threads."""
        self._threads.shutdown()

    def check_model(self, name: str, version: str) -> None:
        """Checks the model's name and version in a path of the newer protocols.

        Raises:
            Refusal: the service has no such model (404).
        """
        if (name, version) != (self.model_name, VERSION):
            raise Refusal(
                f"there is no model {errors.shown(name)} of version {errors.shown(version)}; there is "
                f"{self.model_name} of version {VERSION}",
                status=404,
            )

    async def parts(self, request: Request) -> Parts:
        """Reads a body of any supported Content-Type; see `bodies.read_parts`."""
        return await bodies.read_parts(request, max_bytes=self._max_body_bytes, seconds=BODY_SECONDS)

    async def document(self, request: Request) -> bytes:
        """Reads a body as JSON text, whatever its Content-Type.

        Raises:
            Refusal: as `bodies.read_bytes`, or parsing the text would need more than `MOST_TENSOR_BYTES` (413).
        """
        body = await bodies.read_bytes(request, max_bytes=self._max_body_bytes, seconds=BODY_SECONDS)
        if json_text.working_bytes(body) > MOST_TENSOR_BYTES:
            raise Refusal("the JSON text holds too many values; send the bytes of an image file in base64", status=413)
        return body

    async def read(self, size: int, reader: Callable[[], Answer]) -> Answer:
        """Runs `reader` in a thread while `size` bytes of the memory budget are reserved."""
        async with self._admission.hold(size):
            return await self._in_thread(reader)

    async def with_image(
        self,
        picture: bytes | np.ndarray,
        work: Callable[[np.ndarray, Gone], Answer],
        *,
        request: Request,
        size: int = 0,
    ) -> Answer:
        """Decodes an image and runs `work` on it in a thread.

        Args:
            picture: the bytes of an image file, or pixels `[H, W, channels]` uint8.
            work: called with `[H, W, channels]` uint8 and a future that is done once the client has disconnected.
            request: the request; its body has been read.
            size: bytes of memory that the request needs beside the image.

        Raises:
            Refusal: the image is broken or too large.
            ClientDisconnect: the client disconnected before `work` was done.
        """
        if isinstance(picture, bytes):
            data = picture
            pixels = await self._in_thread(lambda: pictures.pixel_count(data, max_pixels=self.max_pixels))
        else:
            pixels = picture.shape[0] * picture.shape[1]
        async with self._admission.hold(size + pixels * self._bytes_per_pixel):
            return await self._while_there(request, lambda gone: work(self._decoded(picture), gone))

    def _decoded(self, picture: bytes | np.ndarray) -> np.ndarray:
        if isinstance(picture, bytes):
            return pictures.decode(
                picture, channels=self.channels, max_pixels=self.max_pixels, image_range=self._image_range
            )
        return picture

    async def _while_there(self, request: Request, work: Callable[[Gone], Answer]) -> Answer:
        gone: Gone = Future()
        working = asyncio.ensure_future(self._in_thread(lambda: work(gone)))
        leaving = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
        finally:
            leaving.cancel()
            gone.set_result(None)
            working.add_done_callback(lambda done: done.cancelled() or done.exception())  # marks its error as retrieved
        await asyncio.wait((working,))  # its memory stays reserved until it ends, which is soon
        raise ClientDisconnect

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


async def _left(request: Request) -> None:
    """Waits until the client disconnects; the request's body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
