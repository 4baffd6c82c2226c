"""The options of `mrcnn infer --engine`, which applies a model to any number of images.

The results are Parquet files; the same command continues an interrupted job. `mrcnn merge` makes COCO JSON or a
project of them.
"""

import argparse
import functools
import os
import re
from pathlib import Path
from typing import Any

from mrcnn import optional, startup
from mrcnn.commands import paths
from mrcnn.config.base import AUTO
from mrcnn.config.load import load_inference_config, load_json
from mrcnn.errors import UserError
from mrcnn.events import EventLog

ENGINES = ("local", "ray", "spark")
EXTRAS = {"local": "scale", "ray": "ray", "spark": "spark"}
LOADING = ("classes", "input_size", "score_threshold", "device", "precision", "tf32")
# Ray's name for: without it (0) nothing listens on other addresses than 127.0.0.1; macOS and Windows are so by default
RAY_ON_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
RAY_CORES = 4  # of a worker, so that not each core of a machine loads the model
SINGLE = ("project", "overlay", "task_dir", "boxes_as_masks")  # options of `infer` that need the images on one machine
OF_ENGINE = {"ray_address": "ray", "spark_master": "spark", "gpus_per_worker": "ray"}  # option: its engine


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a job."""
    group = parser.add_argument_group(
        "many images", "With --engine the results are Parquet files instead of a project, and --images may also be "
        "lists (.txt, .parquet) and URLs of object storage. The same command continues an interrupted job. See "
        "docs/scale.md.")  # fmt: skip
    group.add_argument("--engine", choices=ENGINES, help="run by workers on this machine, by Ray Data or by Spark")
    group.add_argument("--workers", type=int, metavar="N", help="default: one per GPU or per four cores")
    group.add_argument("--shard-size", type=int, metavar="N", help="images per results file, default 256")
    group.add_argument(
        "--cpus-per-worker", type=int, metavar="N", help="cores of each worker, default 4 with ray, 1 with spark"
    )
    group.add_argument("--gpus-per-worker", type=float, metavar="N", help="with ray: GPUs of each worker, e.g. 0.5")
    group.add_argument("--ray-address", metavar="ADDRESS", help="of a cluster; default: start Ray here")
    group.add_argument(
        "--spark-master", metavar="URL", help="of a cluster; default: that of spark-submit, or Spark started here"
    )
    group.add_argument("--retry-failed", action="store_true", help="repeat the shards with failed images")


def check_unused(options: argparse.Namespace) -> None:
    """Checks that no option of a job is given without `--engine`.

    Raises:
        UserError: one is.
    """
    names = (
        "workers",
        "shard_size",
        "cpus_per_worker",
        "gpus_per_worker",
        "ray_address",
        "spark_master",
        "retry_failed",
    )
    for name in names:
        if getattr(options, name) not in (None, False):
            raise UserError(f"{_option(name)} has no effect without --engine; give one of {', '.join(ENGINES)}")


def run(options: argparse.Namespace, log: EventLog) -> None:
    """Runs the job that the options of `mrcnn infer` describe.

    Raises:
        UserError: an option is missing or has no effect, a package is not installed, or the job cannot be done.
    """
    _check(options)
    optional.require(EXTRAS[options.engine], purpose=f"--engine {options.engine}")
    config = load_json(options.config) if options.config else {}
    read = load_inference_config(config, warn=log.warning)  # a mistake is reported before the images are listed
    if read.model.runtime == AUTO:
        raise UserError("`model.runtime` auto may choose differently on each machine; name one with --engine")
    paths.check_runnable(options.model, classes=options.classes)
    images = _images(options)
    machine = startup.load("mrcnn.scale.machine")
    gpus = [] if options.device == "cpu" else machine.gpus()
    jobs, running = startup.load("mrcnn.scale.job"), startup.load("mrcnn.scale.run")
    work = jobs.Work(
        output=startup.load("mrcnn.scale.storage").normalized(_url(options.output)),
        model=_absolute(options.model),
        loading={name: getattr(options, name) for name in LOADING},
        config=config,
        batch_size=options.batch_size,
    )
    running.run(
        work,
        images,
        _engine(options, gpus, cores=len(machine.cores()), log=log),
        log=log,
        shard_size=jobs.SHARD_SIZE if options.shard_size is None else options.shard_size,
        gpus=gpus,
        retry_failed=options.retry_failed,
    )


def _check(options: argparse.Namespace) -> None:
    needs = {"model": "--model", "images": "--images", "output": "--output"}
    if missing := [text for name, text in needs.items() if getattr(options, name) is None]:
        raise UserError(f"--engine {options.engine} needs {', '.join(missing)}; see --help")
    for name in SINGLE:
        if getattr(options, name):
            raise UserError(f"{_option(name)} has no effect with --engine; leave one of them out")
    for name, engine in OF_ENGINE.items():
        if getattr(options, name) is not None and options.engine != engine:
            raise UserError(f"{_option(name)} goes with --engine {engine}, got {options.engine}; leave it out")
    _check_values(options)


def _check_values(options: argparse.Namespace) -> None:
    for name in ("workers", "cpus_per_worker"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise UserError(f"{_option(name)} must be at least 1, got {value}")
    if options.batch_size == AUTO:
        raise UserError("--batch-size auto is measured on one machine; give a number with --engine")
    if options.precision == AUTO:
        raise UserError("--precision auto may choose differently on each machine; give one with --engine")
    if options.device not in (None, "cpu"):
        raise UserError(
            f"--device {options.device} has no effect with --engine, which assigns the GPUs; give cpu or leave it out"
        )


def _images(options: argparse.Namespace) -> Any:
    """Lists the images, a `scale.manifest.Manifest`."""
    lists = startup.load("mrcnn.scale.manifest")
    if options.data is None:
        return lists.find(options.images, recursive=options.recursive)
    if len(options.images) > 1 or options.recursive:
        raise UserError("--data goes with one folder of --images and without --recursive")
    return lists.find_in_coco(options.data, options.images[0])


def _engine(options: argparse.Namespace, gpus: list[str], *, cores: int, log: EventLog) -> Any:
    workers, threads = options.workers, options.cpus_per_worker
    here = workers or len(gpus) or max(1, cores // 4)
    if options.engine == "local":
        return functools.partial(
            startup.load("mrcnn.scale.local").run, workers=here, gpus=tuple(gpus), warn=log.warning
        )
    if options.engine == "ray":
        if options.ray_address is None:
            os.environ.setdefault(RAY_ON_LOOPBACK, "0")  # before Ray is imported
        ray = startup.load("mrcnn.scale.ray")
        each = options.gpus_per_worker if options.gpus_per_worker is not None else float(bool(gpus))
        share = ray.Share(workers, cpus=threads or min(RAY_CORES, cores), gpus=each)
        return functools.partial(ray.run, share=share, address=options.ray_address, gpus=len(gpus))
    spark = startup.load("mrcnn.scale.spark")
    return functools.partial(spark.run, master=options.spark_master, workers=here, threads=threads or 1)


def _absolute(model: Path) -> str:
    """Makes a path absolute, since workers may run in other folders; a published name stays as it is."""
    return str(model.absolute()) if model.exists() else str(model)


def _url(path: Path) -> str:
    """Restores the slashes of a URL, which a `Path` joins to one."""
    return re.sub(r"^(?:(file|local):(?=/)|([a-z][a-z0-9+.-]+):/(?=[^/]))", _protocol, path.as_posix())


def _protocol(found: re.Match[str]) -> str:
    return "" if found[1] else f"{found[2]}://"


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
