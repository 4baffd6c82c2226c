"""Builds the HTTP service from its settings; no other file of this package reads them."""

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from mrcnn import events
from mrcnn.config.base import AUTO
from mrcnn.config.serve import ServeConfig
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.model_folder import read
from mrcnn.model_folder.read import StoredModel
from mrcnn.predict.predictor import Predictor
from mrcnn.serve import hosts, open_inference, pages, refusals, server, supervisely_api, tf_serving, worker
from mrcnn.serve import metrics as measures
from mrcnn.serve.metrics import Metrics
from mrcnn.serve.reception import Reception
from mrcnn.serve.service import Service
from mrcnn.serve.watch import Watch

LEAST_ACTIVE = 16  # requests admitted at a time, whatever the batch size
BATCHES_ACTIVE = 4  # batches that the admitted requests fill, where that is more


def serve(config: ServeConfig, *, log: EventLog) -> None:
    """Serves a model until a signal ends it.

    Raises:
        UserError: the model, the address or a setting is wrong.
    """
    stored = _read(config)
    with server.bind(config.host, config.port) as taken:
        url = server.address(taken)
        if config.workers == 1:
            app = make_app(load_predictor(stored, config, log=log), config, log=log, url=url)
            server.run_one(app, taken, drain_seconds=config.drain_seconds, log=log)
        else:
            make = functools.partial(worker.make_app, config, url)
            server.run_many(make, taken, workers=config.workers, drain_seconds=config.drain_seconds, log=log)


def make_worker(config: ServeConfig, url: str) -> FastAPI:
    """Builds the ASGI app of a worker process.

    Raises:
        SystemExit: the model cannot be loaded; the code is `server.STARTUP_FAILURE`.
    """
    log = events.make_log(config.log_format)
    server.hear_libraries(log)
    server.end_with_parent()
    try:
        return make_app(load_predictor(_read(config), config, log=log), config, log=log, url=url)
    except UserError as error:
        log.crashed(error)
        raise SystemExit(server.STARTUP_FAILURE) from error


def load_predictor(stored: StoredModel, config: ServeConfig, *, log: EventLog) -> Predictor:
    """Loads a model with the settings' score threshold, device and precision."""
    bundle = read.load_as_told(
        stored,
        config.deploy,
        score_threshold=config.score_threshold,
        device=config.device,
        precision=config.precision,
        warn=log.warning,
    )
    if config.precision == AUTO:
        log.info(str(bundle.precision))
    return Predictor(bundle)


def make_app(predictor: Predictor, config: ServeConfig, *, log: EventLog, url: str = "") -> FastAPI:
    """Builds the ASGI app; the model's thread starts now and ends with the server.

    Args:
        predictor: the loaded model.
        config: the service's settings.
        log: receives the start, the end and one line per request.
        url: the service's address, for the log.
    """
    metrics = Metrics()
    service = Service(
        predictor,
        confidence_tag=config.deploy.confidence_tag_name,
        batch_size=config.batch_size,
        wait_seconds=config.batch_wait_ms / 1000,
        on_batch=metrics.batch_images.observe,
    )
    reception = Reception(
        service,
        model_name=config.name,
        active=max(LEAST_ACTIVE, BATCHES_ACTIVE * config.batch_size),
        max_body_bytes=config.max_body_bytes,
        max_pixels=config.max_pixels,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        log.info("building the graph: the service is ready when this is done")
        service.warm_up()
        log.info(f"serving {config.model} on {url}")
        log.task_deployed()
        yield
        await asyncio.to_thread(service.close)  # first, so that requests in progress end
        await asyncio.to_thread(reception.close)
        log.info("stopped")

    by_name = config.allow_host or hosts.is_this_machine(config.host)
    app = FastAPI(
        title="Mask R-CNN",
        version=open_inference.SERVER_VERSION,
        description="Finds the objects of an image: for each a class, a score, a box and a mask.",
        lifespan=lifespan,
        dependencies=[Depends(hosts.only(config.allow_host))] if by_name else [],
        openapi_url=None,  # the library's own endpoint would be outside the dependencies
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(supervisely_api.make_router(reception, generation=config.api))
    for generation in ("2019", "2020"):
        app.include_router(supervisely_api.make_router(reception, generation=generation, prefix=f"/{generation}"))
    app.include_router(tf_serving.make_router(reception))
    app.include_router(open_inference.make_router(reception))
    app.include_router(pages.make_router())
    _add_schema(app)
    _add_health(app, reception, metrics)
    _add_errors(app)
    app.add_middleware(Watch, metrics=metrics, log=log)
    return app


def _read(config: ServeConfig) -> StoredModel:
    return read.read_model(config.model, classes=config.classes, input_size=config.input_size)


def _add_schema(app: FastAPI) -> None:
    @app.get("/openapi.json", include_in_schema=False)
    def schema() -> JSONResponse:
        """Returns the OpenAPI schema of the endpoints."""
        return JSONResponse(app.openapi())


def _add_health(app: FastAPI, reception: Reception, metrics: Metrics) -> None:
    @app.get("/health", tags=["Health"])
    async def health() -> dict[str, str]:
        """Liveness check: answers 200 while the process runs."""
        return {"status": "alive"}

    @app.get("/ready", tags=["Health"])
    async def ready() -> dict[str, str]:
        """Readiness check: answers 200 while the model accepts images, else 503."""
        if not reception.service.ready:
            raise refusals.Refusal("the model takes no images now", status=503)
        return {"status": "ready"}

    @app.get("/metrics", tags=["Health"])
    def prometheus() -> Response:
        """Returns the metrics in the Prometheus text format."""
        return Response(metrics.render(), media_type=measures.CONTENT_TYPE)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(UserError)
    async def refuse(request: Request, error: UserError) -> Response:
        return refusals.as_response(error)

    @app.exception_handler(HTTPException)
    async def no_such_endpoint(request: Request, error: HTTPException) -> Response:
        text = f"{error.detail}; GET /docs lists what there is"
        return refusals.response(text, status=error.status_code, headers=dict(error.headers or {}))
