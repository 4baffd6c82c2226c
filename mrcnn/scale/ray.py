"""Runs the shards of a job by Ray Data: a pool of actors, on a cluster or on this machine.

Only shard numbers and counts pass through Ray. It restarts a lost actor and repeats its shards itself.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import ray.data

from mrcnn.errors import UserError
from mrcnn.scale import failure, machine, worker
from mrcnn.scale.job import Counts, Work

HOME = "127.0.0.1"  # a Ray that is started here listens on no other address
STORE = 128 * 2**20  # bytes of its object store: only numbers pass through it


@dataclass(frozen=True)
class Share:
    """Number of workers, and the cores and GPUs of each.

    Attributes:
        workers: number of actors; None for as many as there is room for.
        cpus: cores of each actor.
        gpus: GPUs of each actor; a fraction shares one.
    """

    workers: int | None = None
    cpus: float = 1
    gpus: float = 0


class ShardActor:
    """Ray actor that runs shards with the predictor of a job."""

    def __init__(self, work: str, threads: int):
        """Keeps the work; the predictor is loaded with the first shard, since Ray retries a failed start for ever.

        Args:
            work: JSON of a `Work`.
            threads: of an image; they are set before TensorFlow is imported.
        """
        machine.use_threads(threads)
        self._work = work

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Runs the shards of a batch; returns the JSON of their counts.

        A lost device ends the process, since Ray repeats the shards of a lost actor, but not those of an error.
        """
        try:
            found = [worker.run_shard(self._work, int(shard)) for shard in batch["shard"]]
        except failure.Lost as error:
            print(error, file=sys.stderr, flush=True)  # to the log of the actor
            os._exit(1)
        return {"counts": np.array([json.dumps(counts) for counts in found])}


def run(work: Work, shards: Sequence[int], *, share: Share, address: str | None, gpus: int = 0) -> Iterator[Counts]:
    """Yields the counts of each shard as it is done.

    Args:
        work: of the job.
        shards: numbers of the shards.
        share: what the workers use.
        address: of a cluster, such as `auto` or `ray://host:10001`; None starts Ray on this machine.
        gpus: number of GPUs of this machine, where Ray is started on it.

    Raises:
        UserError: a worker raised it, or the cluster cannot be reached or has no room for a worker.
    """
    if not shards:
        return
    try:
        _connect(address, share, gpus=gpus)
        yield from _map(work, shards, share)
    except Exception as error:
        raise failure.as_user_error(error, "Ray") from error
    finally:
        ray.shutdown()


def _connect(address: str | None, share: Share, *, gpus: int) -> None:
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is not None:
        ray.init(address=address, **quiet)
        return
    count = max(len(machine.cores()), round((share.workers or 1) * share.cpus))
    ray.init(
        address="local",  # without it, the cluster of $RAY_ADDRESS or one that runs here already
        num_cpus=count,
        num_gpus=gpus,
        include_dashboard=False,
        object_store_memory=STORE,
        _node_ip_address=HOME,
        **quiet,
    )


def _map(work: Work, shards: Sequence[int], share: Share) -> Iterator[Counts]:
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    size = min(share.workers or room(ray.cluster_resources(), share), len(shards))
    numbers = ray.data.from_items([{"shard": shard} for shard in shards], override_num_blocks=len(shards))
    done = numbers.map_batches(
        ShardActor,
        fn_constructor_args=(work.to_json(), max(1, int(share.cpus))),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=size),
        num_cpus=share.cpus,
        num_gpus=share.gpus,
    )
    for row in done.iter_rows():
        yield Counts(*json.loads(row["counts"]))


def room(resources: dict[str, float], share: Share) -> int:
    """Computes how many workers a cluster has room for.

    Raises:
        UserError: not one.
    """
    fits = [resources.get("CPU", 0) // share.cpus] if share.cpus else []
    fits += [resources.get("GPU", 0) // share.gpus] if share.gpus else []
    count = int(min(fits, default=1))
    if count < 1:
        there = f"{resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs"
        raise UserError(f"the cluster has {there}, a worker needs {share.cpus:g} and {share.gpus:g}; lower them")
    return count
