"""Runs a job with the toy predictor: `python -m tests.scale.driver ENGINE IMAGES OUTPUT [SHARD_SIZE]`."""

import functools
import os
import sys
from pathlib import Path

from mrcnn import startup
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.scale import job, local, manifest, run
from tests.scale import toy

WORKERS = 2


def engine_of(name):
    if name == "local":
        return functools.partial(local.run, workers=WORKERS, gpus=(), warn=print)
    if name == "ray":
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        ray = startup.load("mrcnn.scale.ray")
        return functools.partial(ray.run, share=ray.Share(WORKERS), address=None)
    return functools.partial(startup.load("mrcnn.scale.spark").run, master=None, workers=WORKERS, threads=1)


def main(engine, images, output, shard_size="6", model="m"):
    work = job.Work(str(Path(output).absolute()), model, opener=toy.OPENER)
    try:
        found = run.run(work, manifest.find([images]), engine_of(engine), log=JsonLog(), shard_size=int(shard_size))
    except UserError as error:
        print(error)
        return 1
    print(found.images, found.failed, sum(found.detections.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
