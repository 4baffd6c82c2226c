"""The settings of the HTTP service: where it listens, what it runs on, and how much it takes on."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict

from mrcnn.config import errors
from mrcnn.config.base import Fraction, Name, NotNegative, PositiveInt, PrecisionName, Settings
from mrcnn.config.deploy import DeployConfig

Port = Annotated[int, Strict(), Field(ge=0, le=65535)]


def _url_word(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", text):
        raise ValueError(f"must be letters, digits, dots, dashes and underscores, got {errors.shown(text)}")
    return text


UrlWord = Annotated[str, Strict(), AfterValidator(_url_word)]


class ServeConfig(Settings):
    """All settings of the HTTP service.

    Attributes:
        model: the model folder or weight file, or `coco`.
        classes: the names of the classes of a weight file that is alone.
        input_size: (min_dim, max_dim) of such a file.
        name: what the model is called in the paths of the newer protocols.
        host: the address to listen on; the default can be reached from this machine only.
        allow_host: names under which it is asked besides `localhost`; with none and a `host` that others reach, any.
        port: 0 takes a free one.
        device: "cpu" or the number of a GPU; None takes the deploy config's `gpu_device`.
        precision: of the convolutions.
        score_threshold: replaces the deploy config's thresholds and the model's own; None leaves them.
        workers: processes, each with a model of its own.
        batch_size: images of different requests that go through the model together.
        batch_wait_ms: how long an image waits for others to go with.
        max_pixels: of one image, and of all images that a process works on at a time.
        max_body_bytes: of one request.
        api: the generation of the old API that `/model/inference` answers like.
        drain_seconds: how long requests may still take after the signal to stop.
        log_format: of the log that each worker writes.
        deploy: the deploy config.
    """

    model: Name
    classes: Name | None = None
    input_size: tuple[PositiveInt, PositiveInt] | None = None
    name: UrlWord = "mrcnn"
    host: Name = "127.0.0.1"
    allow_host: tuple[Name, ...] = ()
    port: Port = 5000
    device: Name | None = None
    precision: PrecisionName = "float32"
    score_threshold: Fraction | None = None
    workers: PositiveInt = 1
    batch_size: PositiveInt = 4
    batch_wait_ms: NotNegative = 5.0
    max_pixels: PositiveInt = 32_000_000
    max_body_bytes: PositiveInt = 20 * 2**20
    api: Literal["2020", "2019"] = "2020"
    drain_seconds: PositiveInt = 60
    log_format: Literal["auto", "rich", "json"] = "auto"
    deploy: DeployConfig = DeployConfig()
