"""Finds the processes of a run, the workers, in the environment of the program that started them.

`TF_CONFIG` is TensorFlow's own variable; Kubeflow, Vertex AI, SageMaker and Ray Train set it. Slurm's variables are
those of a step that `srun` starts with its default distribution, `block`.
Source: TensorFlow's guide "Distributed training" for `TF_CONFIG`; Slurm's manual of `srun` for the variables.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mrcnn.config import errors
from mrcnn.errors import UserError

Origin = Literal["auto", "tf_config", "slurm"]
TF_CONFIG = "TF_CONFIG"
SLURM_RANK, SLURM_NODES, SLURM_TASKS = "SLURM_PROCID", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE"
SLURM_HOST = "SLURMD_NODENAME"
PORT = 29400  # of the first worker on each machine of a Slurm step; the next ones use the ports after it
MOST_PORT = 65535
CHIEF, WORKER = "chief", "worker"


@dataclass(frozen=True)
class Cluster:
    """The workers of a run.

    Attributes:
        addresses: `host:port` of each worker; the first one is the chief, which writes log and checkpoints.
        index: which of them this process is.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def count(self) -> int:
        """Number of workers."""
        return len(self.addresses)


def find(origin: Origin, environment: Mapping[str, str], *, port: int = PORT) -> Cluster:
    """Finds the workers of this run.

    Args:
        origin: the variables to read; `auto` reads `TF_CONFIG` if it is set, else Slurm's.
        environment: the environment variables.
        port: as `PORT`, for Slurm.

    Raises:
        UserError: the variables are missing or wrong.
    """
    if origin == "auto":
        origin = "tf_config" if environment.get(TF_CONFIG) else "slurm"
        if origin == "slurm" and SLURM_RANK not in environment:
            raise UserError(
                f"`--workers` auto found no workers: set {TF_CONFIG}, start the processes by `srun`, or leave "
                "`--workers` out to train in one process"
            )
    return from_tf_config(environment) if origin == "tf_config" else from_slurm(environment, port=port)


def from_tf_config(environment: Mapping[str, str]) -> Cluster:
    """Reads `TF_CONFIG`, in which the job `chief`, where there is one, comes before the job `worker`.

    Raises:
        UserError: it is missing or wrong.
    """
    text = environment.get(TF_CONFIG)
    if not text:
        raise UserError(f'{TF_CONFIG} is not set; it must be like {{"cluster": {{"worker": ["host:port", …]}}, …}}')
    content = _parsed(text)
    jobs, task = _mapping(content, "cluster"), _mapping(content, "task")
    if others := sorted(set(jobs) - {CHIEF, WORKER}):
        raise UserError(f"the cluster of {TF_CONFIG} may have the jobs chief and worker, got {', '.join(others)}")
    lists = {job: _addresses(jobs.get(job, []), job) for job in (CHIEF, WORKER)}
    if len(lists[CHIEF]) > 1:
        raise UserError(f"the cluster of {TF_CONFIG} must have one chief at most, got {len(lists[CHIEF])}")
    kind, index = task.get("type"), task.get("index")
    if kind not in lists or type(index) is not int or not 0 <= index < len(lists[kind]):
        raise UserError(
            f"the task of {TF_CONFIG} must be one of its cluster, got type {errors.shown(kind)} and index "
            f"{errors.shown(index)}"
        )
    return Cluster((*lists[CHIEF], *lists[WORKER]), index + (len(lists[CHIEF]) if kind == WORKER else 0))


def from_slurm(environment: Mapping[str, str], *, port: int = PORT) -> Cluster:
    """Reads the variables of a Slurm step.

    Args:
        environment: the environment variables.
        port: of the first worker on each machine; the next ones use the ports after it.

    Raises:
        UserError: a variable is missing or wrong, or the tasks are not distributed in blocks.
    """
    if missing := [name for name in (SLURM_RANK, SLURM_NODES, SLURM_TASKS) if not environment.get(name)]:
        raise UserError(f"{' and '.join(missing)} not set: start the processes of the run by `srun`")
    hosts, counts = hosts_of(environment[SLURM_NODES]), tasks_of(environment[SLURM_TASKS])
    if len(hosts) != len(counts):
        raise UserError(f"{SLURM_NODES} lists {len(hosts)} machines and {SLURM_TASKS} {len(counts)}; they must agree")
    if not 0 < port <= MOST_PORT + 1 - max(counts):
        raise UserError(f"`--workers-port` must be in 1..{MOST_PORT + 1 - max(counts)}, got {port}")
    places = [(host, offset) for host, count in zip(hosts, counts, strict=True) for offset in range(count)]
    rank = environment[SLURM_RANK]
    if not rank.isdecimal() or int(rank) >= len(places):
        raise UserError(f"{SLURM_RANK} must be less than the {len(places)} tasks of the step, got {rank!r}")
    here = environment.get(SLURM_HOST, places[int(rank)][0])
    if here != places[int(rank)][0]:
        raise UserError(
            f"task {rank} runs on {here}, in blocks it would run on {places[int(rank)][0]}: start the processes by "
            "`srun --distribution=block`"
        )
    return Cluster(tuple(f"{host}:{port + offset}" for host, offset in places), int(rank))


def hosts_of(text: str) -> list[str]:
    """Expands Slurm's list of machines, such as `gpu[01-03,07],login` with its leading zeros.

    Raises:
        UserError: the text is no such list.
    """
    found: list[str] = []
    for part in re.findall(r"[^,\[\]]+(?:\[[^\]]*\][^,\[\]]*)?|[,\[\]]", text):
        if part == ",":
            continue
        match = re.fullmatch(r"([^\[\]]+?)(?:\[([\d,-]+)\](.*))?", part)
        if match is None:
            raise UserError(f"{SLURM_NODES} must be a list of machines like gpu[01-03],login, got {text!r}")
        head, ranges, tail = match.groups()
        found += [head] if ranges is None else [f"{head}{number}{tail}" for number in _numbers(ranges, text)]
    return found


def tasks_of(text: str) -> list[int]:
    """Expands Slurm's numbers of tasks on each machine, such as `2(x3),1`: 2, 2, 2 and 1.

    Raises:
        UserError: the text is no such list.
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if match is None:
            raise UserError(f"{SLURM_TASKS} must be numbers of tasks like 2(x3),1, got {text!r}")
        found += [int(match[1])] * int(match[2] or 1)
    return found


def _numbers(ranges: str, text: str) -> list[str]:
    found = []
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise UserError(f"{SLURM_NODES} must be a list of machines like gpu[01-03],login, got {text!r}")
        found += [f"{number:0{len(first)}d}" for number in range(int(first), int(last or first) + 1)]
    return found


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise UserError(f"{TF_CONFIG} must be JSON: {error}") from error
    if not isinstance(content, Mapping):
        raise UserError(f"{TF_CONFIG} must be an object of JSON, got {errors.shown(content)}")
    return content


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = content.get(key)
    if not isinstance(value, Mapping):
        raise UserError(f"{TF_CONFIG} must have an object `{key}`, got {errors.shown(value)}")
    return value


def _is_address(text: str) -> bool:
    match = re.fullmatch(r".+:(\d{1,5})", text, re.ASCII)
    return match is not None and 0 < int(match[1]) <= MOST_PORT


def _addresses(value: Any, job: str) -> tuple[str, ...]:
    is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
    if not is_list or not all(_is_address(item) for item in value):
        raise UserError(f"{TF_CONFIG} must list the addresses host:port of the job {job}, got {errors.shown(value)}")
    return tuple(value)
