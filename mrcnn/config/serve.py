"""Settings of the HTTP service: address, model, device and request limits."""

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
        classes: class names of a weight file without model folder.
        input_size: (min_dim, max_dim) in pixels of such a file.
        name: the model's name in the paths of the newer protocols.
        host: address to listen on; the default is reached from this machine only.
        allow_host: accepted names in the Host header besides `localhost`; empty accepts every name if other machines
            reach `host`.
        port: TCP port; 0 selects a free one.
        device: "cpu" or the number of a GPU; None uses the deploy config's `gpu_device`.
        precision: Keras dtype policy of the convolutions, or "auto".
        score_threshold: replaces the deploy config's thresholds and the model's own; None keeps them.
        workers: number of processes, each with its own copy of the model.
        batch_size: most images of different requests in one run of the model.
        batch_wait_ms: longest time that an image waits for others, in milliseconds.
        max_pixels: largest accepted height x width of one image; also bounds the images that a process works on at a
            time.
        max_body_bytes: largest accepted body of a request.
        api: generation of the old API whose response format `/model/inference` uses.
        drain_seconds: time limit of graceful shutdown for open requests.
        log_format: format of the log that each worker writes.
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
