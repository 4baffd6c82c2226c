"""Runs the shards of a job by Spark's `mapInArrow`, on a cluster or on this machine.

Only shard numbers and counts pass through Spark. It repeats a failed task itself; the Python processes of an
executor keep the model from task to task. `mapInArrow` is `mapInPandas` without pandas, which PySpark supports in old
versions only.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

import pyarrow as pa
from pyspark import SparkConf, TaskContext
from pyspark.sql import SparkSession

from mrcnn.scale import failure, machine, worker
from mrcnn.scale.job import Counts, Work

HOME = "127.0.0.1"  # a Spark that is started here listens on no other address
FAILURES = 4  # of one task, after which a Spark on this machine ends the job; as a cluster's default
GPU = "gpu"  # name of the resource in Spark's settings
SCHEMA = "counts string"
# set by spark-submit, whose settings are in its JVM: a `SparkConf` made before Spark's entry point has none of them
GATEWAY = "PYSPARK_GATEWAY_PORT"
LOCAL = {
    "spark.driver.host": HOME,
    "spark.driver.bindAddress": HOME,
    "spark.ui.enabled": "false",
}


def run(work: Work, shards: Sequence[int], *, master: str | None, workers: int, threads: int) -> Iterator[Counts]:
    """Yields the counts of the shards after all of them are done.

    Args:
        work: of the job.
        shards: numbers of the shards.
        master: of a cluster, such as `spark://host:7077`; None for that of `spark-submit`, without it this machine.
        workers: Python processes at a time, where Spark runs on this machine.
        threads: of an image.

    Raises:
        UserError: a worker raised it, or a task failed too often.
    """
    if not shards:
        return
    session = None
    try:
        session = _session(master, workers)
        numbers = session.range(len(shards), numPartitions=len(shards))
        done = numbers.mapInArrow(task(work.to_json(), list(shards), threads), SCHEMA).collect()
    except Exception as error:
        raise failure.as_user_error(error, "Spark") from error
    finally:
        if session is not None:
            session.stop()
    yield from (Counts(*json.loads(row["counts"])) for row in done)


def task(work: str, shards: list[int], threads: int) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Makes the function of a task, which turns places in `shards` to the JSON of counts.

    Args:
        work: JSON of a `Work`.
        shards: numbers of the shards.
        threads: of an image; they are set before TensorFlow is imported.
    """

    def work_on(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        machine.use_threads(threads)
        _use_gpu()
        for batch in batches:
            for place in batch.column("id").to_pylist():
                yield pa.RecordBatch.from_pydict({"counts": [json.dumps(worker.run_shard(work, shards[place]))]})

    return work_on


def _use_gpu() -> None:
    """Chooses the GPU that Spark gave to the task, where its settings name such a resource."""
    context = TaskContext.get()
    given = context.resources().get(GPU) if context is not None else None
    if given is not None:
        os.environ[machine.GPU_VARIABLE] = ",".join(given.addresses)


def _session(master: str | None, workers: int) -> SparkSession:
    settings = SparkConf()
    builder = SparkSession.builder.appName("mrcnn").config("spark.ui.showConsoleProgress", "false")
    if master is None and GATEWAY not in os.environ and not settings.contains("spark.master"):
        master = f"local[{workers},{FAILURES}]"
    if master is not None:
        builder = builder.master(master)
    if master is not None and master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", HOME)
        for name, value in LOCAL.items():
            builder = builder.config(name, value)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session
