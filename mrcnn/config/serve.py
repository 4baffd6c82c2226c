"""Settings of the HTTP service: address, model, device and request limits."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict

from mrcnn.config import errors
from mrcnn.config.base import Flag, Fraction, Name, NotNegative, PositiveInt, PrecisionName, Settings
from mrcnn.config.deploy import DeployConfig

Port = Annotated[int, Strict(), Field(ge=0, le=65535)]


def _url_word(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", text):
        raise ValueError(f"must be letters, digits, dots, dashes and underscores, got {errors.shown(text)}")
    return text


UrlWord = Annotated[str, Strict(), AfterValidator(_url_word)]


class ServeConfig(Settings):
    """All settings of the HTTP service."""

    model: Name = Field(
        description=(
            "the model folder or weight file, `coco`, the name of a published model, or an "
            "[exported file](export.md#run-an-exported-file)"
        )
    )
    classes: Name | None = Field(
        default=None, description="class names of a lone weight file: `name,name,...`, a JSON list, or `coco`"
    )
    input_size: tuple[PositiveInt, PositiveInt] | None = Field(
        default=None,
        description=(
            "`min_dim` and `max_dim` of such a file, pixels; without it, 800 and 1024, for a file of torchvision or "
            "detectron2 800 and 1333"
        ),
    )
    name: UrlWord = Field(default="mrcnn", description="name of the model in `/v1/models/NAME` and `/v2/models/NAME`")
    host: Name = Field(
        default="127.0.0.1",
        description=(
            "address to listen on. **Only this machine can reach the default**; `0.0.0.0` lets all others in. There is "
            "no password and no TLS: put a proxy in front"
        ),
    )
    allow_host: tuple[Name, ...] = Field(
        default=(),
        description=(
            "accepted names in the `Host` header besides `localhost` and IP addresses; without any, every name if "
            "other machines can reach `--host`"
        ),
    )
    port: Port = Field(
        default=5000,
        description=(
            "TCP port; 0 takes a free one, which the log names; also `$REST_INFERENCE_PORT` or `$rest_inference_port`"
        ),
    )
    device: Name | None = Field(
        default=None,
        description=(
            "`cpu` or the number of a GPU; also `$GPU_DEVICE`, which had no effect in the old service; without "
            "both, the deploy config's `gpu_device`"
        ),
    )
    precision: PrecisionName = Field(
        default="float32", description="number format of the convolutions; `auto` takes what is fast on this machine"
    )
    tf32: Flag | None = Field(
        default=None,
        description=(
            "whether float32 products on a GPU may be TF32, which is faster and has 10 binary places instead of 23; "
            "`--no-tf32` switches it off. Without both, TensorFlow's setting holds, which is on; the log says which"
        ),
    )
    score_threshold: Fraction | None = Field(
        default=None,
        description=("score below which detections are dropped; replaces the thresholds of deploy config and model"),
    )
    workers: PositiveInt = Field(
        default=1, description="processes, each with a model of its own; on a CPU one already uses all cores"
    )
    batch_size: PositiveInt = Field(
        default=4,
        description=(
            "most images of different requests in one batch; of those, images of one shape run together; memory grows "
            "with it"
        ),
    )
    batch_wait_ms: NotNegative = Field(
        default=5.0,
        description=(
            "how long an image waits for others, milliseconds. Under load none waits: the next batch gathers while the "
            "model works"
        ),
    )
    max_pixels: PositiveInt = Field(
        default=32_000_000,
        description="largest accepted height x width of an image; also limits the memory of images decoded at a time",
    )
    max_body_bytes: PositiveInt = Field(default=20 * 2**20, description="bytes of one request at most")
    api: Literal["2020", "2019"] = Field(
        default="2020", description="generation of the old API whose response format `/model/inference` has"
    )
    drain_seconds: PositiveInt = Field(
        default=60, description="how long open requests may still take after the signal to stop"
    )
    log_format: Literal["auto", "rich", "json"] = Field(
        default="auto", description="format of the log that each worker writes, as for `train.py`"
    )
    deploy: DeployConfig = DeployConfig()
