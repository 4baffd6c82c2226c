"""Builds the HTTP service from its settings; no other file of this package reads them."""

import asyncio
import functools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from starlette.exceptions import HTTPException

import mrcnn
from mrcnn import events
from mrcnn.config.serve import ServeConfig
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.model_folder import read
from mrcnn.model_folder.read import StoredModel
from mrcnn.predict import loaded
from mrcnn.predict.opening import Loading
from mrcnn.predict.runtimes import table
from mrcnn.predict.staged import AnyPredictor
from mrcnn.serve import native, responses, server, worker
from mrcnn.serve.handler import RequestHandler
from mrcnn.serve.limits import hosts
from mrcnn.serve.metrics import Metrics
from mrcnn.serve.middleware import Monitoring
from mrcnn.serve.protocols.open_inference import OpenInference
from mrcnn.serve.protocols.protocol import Protocol
from mrcnn.serve.protocols.supervisely import Supervisely, Supervisely2019, Supervisely2020
from mrcnn.serve.protocols.tf_serving import TFServing
from mrcnn.serve.service import Service

Protocols = Mapping[str, type[Protocol[Any]]]

PROTOCOLS: Protocols = {
    "supervisely": Supervisely,
    "supervisely_2019": Supervisely2019,
    "supervisely_2020": Supervisely2020,
    "tf_serving": TFServing,
    "open_inference": OpenInference,
}
LEAST_ACTIVE = 16  # requests admitted at a time, whatever the batch size
BATCHES_ACTIVE = 4  # batches that the admitted requests fill, where that is more


def serve(config: ServeConfig, *, log: EventLog) -> None:
    """Serves a model until a signal ends it.

    Raises:
        UserError: the model, the address or a setting is wrong.
    """
    stored = _read(config)
    with server.bind(config.host, config.port) as listener:
        url = server.address(listener)
        if config.workers == 1:
            app = make_app(load_predictor(stored, config, log=log), config, log=log, url=url)
            server.run_one(app, listener, drain_seconds=config.drain_seconds, log=log)
        else:
            make = functools.partial(worker.make_app, config, url)
            server.run_many(make, listener, workers=config.workers, drain_seconds=config.drain_seconds, log=log)


def make_worker(config: ServeConfig, url: str) -> FastAPI:
    """Builds the ASGI app of a worker process.

    Raises:
        SystemExit: the model cannot be loaded; the code is `server.STARTUP_FAILURE`.
    """
    log = events.make_log(config.log_format)
    server.forward_library_logs(log)
    worker.stop_with_parent()
    try:
        return make_app(load_predictor(_read(config), config, log=log), config, log=log, url=url)
    except UserError as error:
        log.crashed(error)
        raise SystemExit(server.STARTUP_FAILURE) from error


def load_predictor(stored: StoredModel | None, config: ServeConfig, *, log: EventLog) -> AnyPredictor:
    """Loads a model with the settings' score threshold, device, precision and test-time augmentation.

    Args:
        stored: the settings of the model, if they are read already; None for an exported file too.
        config: the service's settings.
        log: receives the warnings, and how the model is used.
    """
    return loaded.load(config.model, config.deploy, Loading.of(config), log=log, stored=stored)


def make_app(
    predictor: AnyPredictor, config: ServeConfig, *, log: EventLog, url: str = "", protocols: Protocols = PROTOCOLS
) -> FastAPI:
    """Builds the ASGI app; the model's thread starts now and ends with the server.

    Args:
        predictor: the loaded model.
        config: the service's settings.
        log: receives the start, the end and one line per request.
        url: the service's address, for the log.
        protocols: the REST dialects by name; `{**PROTOCOLS, "name": MyProtocol}` adds one.
    """
    metrics = Metrics()
    service = Service(
        predictor,
        confidence_tag=config.deploy.confidence_tag_name,
        batch_size=config.batch_size,
        wait_seconds=config.batch_wait_ms / 1000,
        on_batch=metrics.batch_images.observe,
    )
    handler = RequestHandler(
        service,
        model_name=config.name,
        api=config.api,
        active=max(LEAST_ACTIVE, BATCHES_ACTIVE * config.batch_size),
        max_body_bytes=config.max_body_bytes,
        max_pixels=config.max_pixels,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if predictor.builds_graph:
            log.info("building the graph: the service is ready when this is done")
        service.warm_up()
        log.info(f"serving {config.model} on {url}")
        log.task_deployed()
        yield
        await asyncio.to_thread(service.close)  # first, so that requests in progress end
        await asyncio.to_thread(handler.close)
        log.info("stopped")

    check_host = config.allow_host or hosts.is_loopback(config.host)
    app = FastAPI(
        title="Mask R-CNN",
        version=mrcnn.__version__,
        description="Finds the objects of an image: for each a class, a score, a box and a mask.",
        lifespan=lifespan,
        dependencies=[Depends(hosts.require_known(config.allow_host))] if check_host else [],
        exception_handlers={UserError: _refuse, HTTPException: _no_such_endpoint},
        openapi_url=None,  # FastAPI's own endpoint would be outside the dependencies
        docs_url=None,
        redoc_url=None,
    )
    for protocol in protocols.values():
        app.include_router(protocol(handler).make_router())
    app.include_router(native.make_router(handler, metrics))
    app.add_middleware(Monitoring, metrics=metrics, log=log)
    return app


def _read(config: ServeConfig) -> StoredModel | None:
    """Reads the settings of a model, so that mistakes are reported early; None for an exported file."""
    if table.locate(config.model) is not None:
        return None
    return read.read_model(config.model, classes=config.classes, input_size=config.input_size)


async def _refuse(request: Request, error: UserError) -> Response:
    return responses.from_error(error)


async def _no_such_endpoint(request: Request, error: HTTPException) -> Response:
    text = f"{error.detail}; GET /docs lists what there is"
    return responses.error_response(text, status=error.status_code, headers=dict(error.headers or {}))
