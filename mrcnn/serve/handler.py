"""Request handling that all protocols share: reads bodies, applies limits, runs work in threads."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from starlette.requests import ClientDisconnect, Request

from mrcnn.config import errors
from mrcnn.serve.limits import bodies, images, json_text
from mrcnn.serve.limits.admission import Admission
from mrcnn.serve.limits.bodies import Body
from mrcnn.serve.responses import RequestError
from mrcnn.serve.service import Disconnect, Service

Result = TypeVar("Result")

VERSION = "1"  # of the model, in the newer protocols
BODY_SECONDS = 60.0  # time limit for a body to arrive, from the start of reading
MOST_WAITING = 1000  # requests; each holds a socket and 64 KiB of unread body
PASTING = 16  # bytes per pixel of an image while one mask of its size is enlarged or written
MOST_TENSOR_BYTES = 256 * 2**20  # working memory to parse pixels that come as JSON lists


class RequestHandler:
    """Reads requests within the limits and runs slow work in a thread pool.

    Attributes:
        service, model_name, api, max_pixels, max_body_bytes: as given.
        score_threshold: score below which the model's detections are dropped.
        channels: channels of the model's images.
        extra_fields: the extra fields of a detection by name.
    """

    def __init__(
        self,
        service: Service,
        *,
        model_name: str,
        active: int,
        max_body_bytes: int,
        max_pixels: int,
        api: str = "2020",
    ):
        """Stores the limits and starts the thread pool.

        Args:
            service: the model.
            model_name: the model's name in the paths of the newer protocols.
            active: most requests processed at a time, and threads; further requests wait.
            max_body_bytes: largest accepted body of a request.
            max_pixels: largest accepted height x width of an image. The memory of so many pixels is also the budget of
                all images processed at a time.
            api: generation of the Supervisely API that `/model/inference` answers like.
        """
        facts = service.facts
        self.service, self.model_name, self.api = service, model_name, api
        self.channels, self.max_pixels, self.score_threshold = facts.channels, max_pixels, facts.choices.score_threshold
        self.extra_fields = service.fields
        self._image_range = facts.image_range
        masks = facts.choices.detections_per_image * service.mask_bits // 8 + 1
        self._bytes_per_pixel = facts.channels + masks + PASTING
        budget = max_pixels * self._bytes_per_pixel
        self._admission = Admission(active=active, waiting=MOST_WAITING, budget=max(budget, MOST_TENSOR_BYTES))
        self._threads = ThreadPoolExecutor(active, thread_name_prefix="request")
        self.max_body_bytes = max_body_bytes

    async def admit(self, request: Request) -> AsyncIterator[None]:
        """FastAPI dependency: waits until a POST request is admitted, and frees its slot after the response.

        Raises:
            RequestError: too many requests wait already (503).
        """
        async with self._admission.enter() if request.method == "POST" else contextlib.nullcontext():
            yield

    def close(self) -> None:
        """Waits for running work and ends the threads."""
        self._threads.shutdown()

    def check_ready(self) -> None:
        """Checks that the model accepts images.

        Raises:
            RequestError: it does not (503).
        """
        if not self.service.ready:
            raise RequestError("the model takes no images now", status=503)

    def check_model(self, name: str, version: str) -> None:
        """Checks the model's name and version in a path of the newer protocols.

        Raises:
            RequestError: the service has no such model (404).
        """
        if (name, version) != (self.model_name, VERSION):
            raise RequestError(
                f"there is no model {errors.shown(name)} of version {errors.shown(version)}; there is "
                f"{self.model_name} of version {VERSION}",
                status=404,
            )

    async def body(self, request: Request) -> Body:
        """Reads a body of any supported Content-Type; see `bodies.read_body`."""
        return await bodies.read_body(request, max_bytes=self.max_body_bytes, seconds=BODY_SECONDS)

    async def parse_json(self, request: Request, parser: Callable[[bytes], Result]) -> Result:
        """Reads a body as JSON text, whatever its Content-Type, and runs `parser` on it as `parse` does.

        Raises:
            RequestError: as `bodies.read_bytes`, or parsing the text would need more than `MOST_TENSOR_BYTES` (413).
        """
        text = await bodies.read_bytes(request, max_bytes=self.max_body_bytes, seconds=BODY_SECONDS)
        size = json_text.working_bytes(text)
        if size > MOST_TENSOR_BYTES:
            message = "the JSON text holds too many values; send the bytes of an image file in base64"
            raise RequestError(message, status=413)
        return await self.parse(size, lambda: parser(text))

    async def parse(self, size: int, parser: Callable[[], Result]) -> Result:
        """Runs `parser` in a thread while `size` bytes of the memory budget are reserved."""
        async with self._admission.hold(size):
            return await self._in_thread(parser)

    async def run_on_image(
        self,
        image: bytes | np.ndarray,
        work: Callable[[np.ndarray, Disconnect], Result],
        *,
        request: Request,
        size: int = 0,
    ) -> Result:
        """Decodes an image and runs `work` on it in a thread.

        Args:
            image: the bytes of an image file, or pixels `[H, W, channels]` uint8.
            work: called with `[H, W, channels]` uint8 and a future that is done once the client has disconnected.
            request: the request; its body has been read.
            size: bytes of memory that the request needs beside the image.

        Raises:
            RequestError: the image is broken or too large.
            ClientDisconnect: the client disconnected before `work` was done.
        """
        if isinstance(image, bytes):
            pixels = await self._in_thread(functools.partial(images.pixel_count, image, max_pixels=self.max_pixels))
        else:
            pixels = image.shape[0] * image.shape[1]
        async with self._admission.hold(size + pixels * self._bytes_per_pixel):
            return await self._until_disconnect(request, lambda disconnect: work(self._decoded(image), disconnect))

    def _decoded(self, image: bytes | np.ndarray) -> np.ndarray:
        if isinstance(image, bytes):
            return images.decode(
                image, channels=self.channels, max_pixels=self.max_pixels, image_range=self._image_range
            )
        return image

    async def _until_disconnect(self, request: Request, work: Callable[[Disconnect], Result]) -> Result:
        disconnect: Disconnect = Future()
        working = asyncio.ensure_future(self._in_thread(lambda: work(disconnect)))
        leaving = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
        finally:
            leaving.cancel()
            disconnect.set_result(None)
            working.add_done_callback(lambda done: done.cancelled() or done.exception())  # marks its error as retrieved
        await asyncio.wait((working,))  # its memory stays reserved until it ends, which is soon
        raise ClientDisconnect

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


async def _disconnected(request: Request) -> None:
    """Waits until the client disconnects; the request's body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
