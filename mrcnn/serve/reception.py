"""What all endpoints share: the way of a request from its body, within the limits, to the model and back."""

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
BODY_SECONDS = 60.0  # for a body to arrive once it is read
MOST_WAITING = 1000  # requests; each holds a socket and 64 KiB of unread body
MOST_FORM_BYTES = 64 * 2**20  # of working memory for the values beside the image
PASTING = 16  # bytes for each pixel of an image, while one mask of its size is enlarged or written
MOST_TENSOR_BYTES = 256 * 2**20  # of working memory for pixels written as lists


class Reception:
    """Takes requests in, keeps to the limits, and does what takes long in threads.

    Attributes:
        service: the model.
        model_name: in the paths of the newer protocols.
        channels: of the images.
        max_pixels: of one image.
    """

    def __init__(self, service: Service, *, model_name: str, active: int, max_body_bytes: int, max_pixels: int):
        """Takes the limits.

        Args:
            service: the model.
            model_name: in the paths of the newer protocols.
            active: requests that are read and answered at a time; the others wait.
            max_body_bytes: of one request.
            max_pixels: of one image; also how many are worked on at a time.
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
        """Waits until a request may be read; ends when its answer has been sent. A dependency of an endpoint.

        Raises:
            Refusal: too many wait already.
        """
        async with self._admission.enter():
            yield

    def close(self) -> None:
        """Ends the threads, when they have done what they do."""
        self._threads.shutdown()

    def check_model(self, name: str, version: str) -> None:
        """Checks the names in a path of the newer protocols.

        Raises:
            Refusal: there is no such model (404).
        """
        if (name, version) != (self.model_name, VERSION):
            raise Refusal(
                f"there is no model {errors.shown(name)} of version {errors.shown(version)}; there is "
                f"{self.model_name} of version {VERSION}",
                status=404,
            )

    async def parts(self, request: Request) -> Parts:
        """Reads a body of any kind; see `bodies.read_parts`."""
        return await bodies.read_parts(request, max_bytes=self._max_body_bytes, seconds=BODY_SECONDS)

    async def document(self, request: Request) -> bytes:
        """Reads a body that must be JSON, of whatever Content-Type."""
        body = await bodies.read_bytes(request, max_bytes=self._max_body_bytes, seconds=BODY_SECONDS)
        if json_text.working_bytes(body) > MOST_TENSOR_BYTES:
            raise Refusal("the JSON text holds too many values; send the bytes of an image file in base64", status=413)
        return body

    async def read(self, size: int, reader: Callable[[], Answer]) -> Answer:
        """Parses in a thread what takes `size` bytes of memory meanwhile."""
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
        """Decodes an image and works on it in a thread, as long as the client waits for it.

        Args:
            picture: the bytes of an image file, or pixels.
            work: takes `[H, W, channels]` uint8, and what is done once the client has left.
            request: whose body has been read.
            size: bytes that the request takes beside it.

        Raises:
            Refusal: the image is broken or too large.
            ClientDisconnect: the client left.
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
            working.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody asks for it
        await asyncio.wait((working,))  # it holds memory until it ends, which is soon
        raise ClientDisconnect

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


async def _left(request: Request) -> None:
    """Waits until the client of a request, whose body has been read, is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
