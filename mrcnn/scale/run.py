"""Runs a job with an engine: starts or continues it, and returns its counts."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from mrcnn import locks
from mrcnn.config.inference import BboxesMode
from mrcnn.config.load import load_inference_config
from mrcnn.errors import UserError, counted
from mrcnn.events import EventLog
from mrcnn.project import repeated
from mrcnn.scale import job, local, storage, worker
from mrcnn.scale.job import Counts, Job, Work
from mrcnn.scale.manifest import Manifest
from mrcnn.scale.worker import Description

Engine = Callable[[Work, Sequence[int]], Iterator[Counts]]  # yields the counts of each shard as it is done
SUBTASK = "inference"


def run(
    work: Work,
    images: Manifest,
    engine: Engine,
    *,
    log: EventLog,
    shard_size: int = job.SHARD_SIZE,
    gpus: Sequence[str] = (),
    retry_failed: bool = False,
) -> Counts:
    """Runs a job to its end.

    The same call continues an interrupted job: shards with results are skipped.

    Args:
        work: the output, the model and its settings.
        images: of the job.
        engine: runs the shards that are not done.
        log: receives the progress and the counts.
        shard_size: images of a shard.
        gpus: names of this machine's GPUs, for the process that describes the model.
        retry_failed: repeat the shards that have failed images.

    Returns:
        The counts of the whole job.

    Raises:
        UserError: the model or the output cannot be used, the output holds another job, or all images failed.
    """
    _check(work, shard_size)
    for line in repeated.grouped(images.warnings):
        log.warning(line)
    with _locked(work.output, log):
        about = local.in_process(worker.describe, work, gpus=gpus)
        _report(about, log)
        started = job.start(work.output, images, shard_size=shard_size, facts=_facts(work, about))
        if retry_failed:
            _forget_failed(started, log)
        left = started.missing()
        if len(left) < started.shards:
            log.info(f"{started.shards - len(left)} of {counted(started.shards, 'shard')} are done already")
        _work_on(
            engine(replace(work, identity=about.identity), left), left, total=len(images.images), job=started, log=log
        )
        found = started.finish()
    _end(found, work.output, log)
    return found


def _check(work: Work, shard_size: int) -> None:
    if shard_size < 1 or work.batch_size < 1:
        name, value = ("--shard-size", shard_size) if shard_size < 1 else ("--batch-size", work.batch_size)
        raise UserError(f"{name} must be at least 1, got {value}")
    if isinstance(load_inference_config(dict(work.config)).mode, BboxesMode):
        raise UserError("the mode bboxes needs annotated objects, which lists of images lack; leave out --engine")


def _locked(output: str, log: EventLog) -> contextlib.AbstractContextManager[None]:
    """Locks an output folder; object storage has no locks."""
    return contextlib.nullcontext() if storage.is_url(output) else locks.inside(output, warn=log.warning)


def _report(about: Description, log: EventLog) -> None:
    for level, line in about.lines:
        log.emit(line, level=level)
    if about.maps:
        log.warning(f"the results have no {', '.join(about.maps)} map of the images; leave out --engine to get it")


def _facts(work: Work, about: Description) -> dict[str, Any]:
    same = {"classes": about.class_names, "config": dict(work.config), **json.loads(about.identity)}
    return {"same": same, "class_metas": about.class_metas, "fields": about.fields, "model": work.model}


def _forget_failed(started: Job, log: EventLog) -> None:
    """Removes the results of shards with failed images, so that they are done again."""
    done = Job(started.place, started.facts)
    missing = set(done.missing())
    for shard in (shard for shard in range(done.shards) if shard not in missing):
        if failed := done.counts_of(shard).failed:
            log.info(f"shard {shard} is repeated because of {counted(failed, 'failed image')}")
            storage.remove(done.place_of(shard))


def _work_on(done: Iterator[Counts], left: Sequence[int], *, total: int, job: Job, log: EventLog) -> None:
    size = job.facts["images"]["shard_size"]
    ready = total - sum(min(size, total - shard * size) for shard in left)
    log.progress(SUBTASK, ready, total)
    for counts in done:
        ready += counts.images
        log.progress(SUBTASK, ready, total)


def _end(found: Counts, output: str, log: EventLog) -> None:
    if not found.done:
        raise UserError(f"none of the {counted(found.images, 'image')} could be used; {output}/{job.FAILED} says why")
    log.info(f"{counted(found.images, 'image')}: {found.done} done, {found.failed} failed")
    if found.failed:
        reasons = f"{output}/{job.FAILED} has the reasons; --retry-failed tries again"
        log.warning(f"{counted(found.failed, 'image')} failed, {reasons}")
    listed = ", ".join(f"{name} {number}" for name, number in found.detections.items()) or "none"
    log.info(f"detections: {listed}")
    log.info(f"written to {output}; `mrcnn merge {output}` makes COCO JSON or a project of it")
    log.model_applied()
