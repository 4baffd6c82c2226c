"""Defines the interface of a REST dialect.

A dialect has routes, reads requests and writes responses.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np
from fastapi import APIRouter, Depends, Request, Response

from mrcnn.serve.handler import RequestHandler
from mrcnn.serve.responses import JSONTextResponse, RequestError
from mrcnn.serve.service import Disconnect

MOST_RESPONSE_BYTES = 40 * 2**20  # of all images of a request together; one has at most 34 MB


@dataclass(frozen=True, kw_only=True)
class Query:
    """A parsed request; a dialect adds its own fields.

    Attributes:
        images: each the bytes of an image file, or pixels `[H, W, channels]` uint8.
        size: bytes of memory that the request needs beside its images.
    """

    images: Sequence[bytes | np.ndarray]
    size: int = 0


Q = TypeVar("Q", bound=Query)


class Protocol(ABC, Generic[Q]):
    """A REST dialect: the routes and formats of one published API.

    It reads a request, runs the model on the request's images and writes the response.

    `predict` does the last three, one after the other; the endpoint that finds objects calls it.

    Attributes:
        handler: reads bodies within the limits and runs work in threads; has the model and its name.
    """

    prefix: ClassVar[str] = ""  # of every path
    tag: ClassVar[str]  # heading of the endpoints in the OpenAPI schema

    def __init__(self, handler: RequestHandler):
        """Stores the handler."""
        self.handler = handler

    def make_router(self) -> APIRouter:
        """Builds the router of the dialect's endpoints; a POST request waits until it is admitted."""
        router = APIRouter(prefix=self.prefix, tags=[self.tag], dependencies=[Depends(self.handler.admit)])
        self.add_routes(router)
        return router

    @abstractmethod
    def add_routes(self, router: APIRouter) -> None:
        """Adds the endpoints to the router."""

    @abstractmethod
    async def read(self, request: Request) -> Q:
        """Reads and parses a request; `handler.parse_json` reads a JSON body within the limits.

        Raises:
            RequestError: a value is missing, malformed or unknown.
        """

    @abstractmethod
    def run(self, query: Q, image: np.ndarray, disconnect: Disconnect) -> str:
        """Finds the objects of one image and writes them; called in a thread.

        Args:
            query: the request.
            image: `[H, W, channels]` uint8, one of the request's images.
            disconnect: done once the client has disconnected; `handler.service` then stops.
        """

    def write(self, query: Q, texts: Sequence[str]) -> str:
        """Joins the texts that `run` returned, one per image, to the response's JSON.

        By default there is one image, and its text is the response.
        """
        (text,) = texts
        return text

    async def predict(self, request: Request) -> Response:
        """Answers a request, from its body to the response."""
        return await self.answer(await self.read(request), request)

    async def answer(self, query: Q, request: Request) -> Response:
        """Runs the model on each image of a parsed request and writes the response.

        Raises:
            RequestError: an image is broken or too large, or the response of several is (413).
            ClientDisconnect: the client disconnected before the last image was done.
        """
        run, texts = functools.partial(self.run, query), list[str]()
        for image in query.images:
            texts.append(await self.handler.run_on_image(image, run, request=request, size=query.size))
            if len(texts) > 1 and sum(map(len, texts)) > MOST_RESPONSE_BYTES:
                message = f"the answer is larger than {MOST_RESPONSE_BYTES} bytes; send fewer images"
                raise RequestError(message, status=413)
        return JSONTextResponse(self.write(query, texts))
