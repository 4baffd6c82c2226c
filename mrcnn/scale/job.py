"""A job on disk: its images, its settings, and which of its shards are done.

    <output>/job.json                  what must not change when the job is continued, and the model's classes
    <output>/manifest.parquet          the images, a row group for each shard
    <output>/shards/0000000.parquet    the results of a shard, see `rows`; complete or absent
    <output>/failed.jsonl              the images that failed, with the reason: the dead-letter list
    <output>/summary.json              the counts, written when all shards are done

A shard is done when its file exists, so a job is continued with the shards that have none.
"""

import contextlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

from mrcnn.errors import UserError, one_line
from mrcnn.scale import manifest, rows, storage
from mrcnn.scale.manifest import Manifest
from mrcnn.scale.rows import Tally

JOB, MANIFEST, SHARDS = "job.json", "manifest.parquet", "shards"
FAILED, SUMMARY = "failed.jsonl", "summary.json"
SHARD_SIZE = 256  # images; a killed worker repeats at most so many
VERSION = 1  # of the files


@dataclass(frozen=True)
class Work:
    """Settings of a worker: plain values, which any engine can send to another machine.

    Attributes:
        output: place of the job.
        model: as for `Predictor.load`.
        loading: the other arguments of `Predictor.load` by name.
        config: the inference config, JSON.
        batch_size: images, or regions of them, per batch.
        opener: `module:function` that opens the predictor of a work, see `opening.open_predictor`.
        identity: of the predictor, JSON; a worker with another one raises an error. None before it is known.
    """

    output: str
    model: str
    loading: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 1
    opener: str = "mrcnn.scale.opening:open_predictor"
    identity: str | None = None

    def to_json(self) -> str:
        """Writes the work as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Work":
        """Reads what `to_json` wrote."""
        return cls(**json.loads(text))


class Counts(NamedTuple):
    """The counts of one shard or of a whole job.

    Attributes:
        shard: number of the shard; -1 for a whole job.
        images: all of its images.
        failed: those that could not be used.
        detections: number of detections by class title.
    """

    shard: int
    images: int
    failed: int
    detections: dict[str, int]

    @classmethod
    def of(cls, shard: int, tally: Tally) -> "Counts":
        """Adds the number of the shard to its counts."""
        return cls(shard, *tally)

    @property
    def done(self) -> int:
        """The images that were used."""
        return self.images - self.failed


class Job:
    """A job on disk.

    Attributes:
        place: of the output.
        facts: the content of job.json.
        shards: number of shards.
    """

    def __init__(self, place: str, facts: Mapping[str, Any]):
        """Stores the content of job.json; see `start` and `open_job`."""
        self.place, self.facts = place, facts
        self.shards = -(-facts["images"]["count"] // facts["images"]["shard_size"])

    def images_of(self, shard: int) -> list[str]:
        """Reads the images of a shard."""
        return manifest.read_shard(storage.joined(self.place, MANIFEST), shard)

    def place_of(self, shard: int) -> str:
        """Returns the place of a shard's results."""
        return storage.joined(self.place, SHARDS, f"{shard:07d}.parquet")

    def missing(self) -> list[int]:
        """Lists the shards without results."""
        there = storage.names(storage.joined(self.place, SHARDS))
        return [shard for shard in range(self.shards) if f"{shard:07d}.parquet" not in there]

    def rows_of(self, shard: int, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Reads the results of a shard, all columns of `rows.SCHEMA` or some.

        Raises:
            UserError: the file is missing, unreadable or damaged.
        """
        with self._results(shard, whole=columns is None) as stream:
            return rows.decode(stream, list(columns) if columns else None)

    def counts_of(self, shard: int) -> Counts:
        """Counts the results of a shard.

        Raises:
            UserError: as `rows_of`.
        """
        with self._results(shard) as stream:
            return Counts.of(shard, rows.tally_of(stream))

    @contextlib.contextmanager
    def _results(self, shard: int, *, whole: bool = False) -> Iterator[BinaryIO]:
        """Opens the results of a shard, of which parts are read, or all: then that is one request to object storage."""
        place = self.place_of(shard)
        data = io.BytesIO(storage.read_bytes(place, what="results")) if whole else None
        with data or storage.reading(place, what="results") as stream:
            try:
                yield stream
            except (pa.ArrowException, OSError, ValueError) as error:
                if getattr(error, "errno", None) is not None:  # not of the content, but of the file system
                    raise
                raise UserError(
                    f"the results {place} are damaged ({one_line(str(error))}); remove the file and start the job again"
                ) from error

    def finish(self) -> Counts:
        """Counts the results of all shards, and writes `failed.jsonl` and `summary.json`.

        Raises:
            UserError: a shard has no results, or another number of images than the job.
        """
        total, classes, failed = Counter[str](), Counter[str](), []
        for shard in range(self.shards):
            with self._results(shard) as stream:
                one = rows.tally_of(stream)
                listed = rows.decode(stream, ["image", "error"]) if one.failed else ()
            total.update(images=one.images, failed=one.failed)
            classes.update(one.detections)
            failed += [json.dumps(row) for row in listed if row["error"]]
        expected = self.facts["images"]["count"]
        if total["images"] != expected:
            raise UserError(f"the results in {self.place} have {total['images']} images, the job has {expected}")
        found = Counts(-1, total["images"], total["failed"], dict(classes.most_common()))
        storage.write_bytes(storage.joined(self.place, FAILED), "".join(f"{line}\n" for line in failed).encode())
        summary = {"images": found.images, "done": found.done, "failed": found.failed, "detections": found.detections}
        storage.write_bytes(storage.joined(self.place, SUMMARY), json.dumps(summary, indent=2).encode())
        return found


def start(place: str, images: Manifest, *, shard_size: int, facts: Mapping[str, Any]) -> Job:
    """Starts a job, or opens the existing one to continue it.

    Args:
        place: of the output.
        images: of the job.
        shard_size: images of a shard.
        facts: JSON values: under `same` what must not change, others for those who read the results.

    Raises:
        UserError: the job there has other images, another model or other settings.
    """
    identity = {"count": len(images.images), "shard_size": shard_size, "sha256": images.checksum()}
    wanted = json.loads(json.dumps({"version": VERSION, "images": identity, "base": images.base, **facts}))
    there = storage.names(place)
    if JOB in there:
        _check_same(place, open_job(place).facts, wanted)
        return Job(place, wanted)
    if there & {MANIFEST, SHARDS} and storage.names(storage.joined(place, SHARDS)):
        raise UserError(f"{place} holds results but no {JOB}, so they cannot be continued; name another output")
    storage.write_bytes(storage.joined(place, MANIFEST), manifest.write(images, shard_size=shard_size))
    storage.write_bytes(storage.joined(place, JOB), json.dumps(wanted, indent=2).encode())
    return Job(place, wanted)


def open_job(place: str) -> Job:
    """Opens the job at a place.

    Raises:
        UserError: there is none, or its job.json is malformed or of another version.
    """
    path = storage.joined(place, JOB)
    if not storage.exists(path):
        raise UserError(f"there is no job in {place}: it has no {JOB}; `mrcnn infer --engine local` writes one")
    try:
        facts = json.loads(storage.read_bytes(path, what="job"))
        version = facts["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); name another output") from error
    if version != VERSION:
        raise UserError(f"{path} has version {version!r}, this program reads {VERSION}; use the program that wrote it")
    return Job(place, facts)


def _check_same(place: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises `UserError` with the first difference of two jobs."""
    if before["images"] != now["images"]:
        old, new = before["images"], now["images"]
        key = next(key for key in ("shard_size", "count", "sha256") if old.get(key) != new[key])
        what = "another --shard-size" if key == "shard_size" else "other images"
        changed = "the names differ" if key == "sha256" else f"was {old.get(key)}, is {new[key]}"
        raise UserError(
            f"the job in {place} has {what} ({changed}); give the same again, or name another output for a new job"
        )
    if (path := _first_difference(before.get("same"), now.get("same"))) is not None:
        raise UserError(
            f"the job in {place} had another model or other settings ({path}); give the same again, or name another "
            "output for a new job"
        )


def _first_difference(before: Any, now: Any, path: str = "") -> str | None:
    if before == now:
        return None
    if isinstance(before, dict) and isinstance(now, dict):
        name = next(name for name in (*now, *before) if before.get(name) != now.get(name))
        return _first_difference(before.get(name), now.get(name), f"{path}.{name}" if path else name)
    return f"`{path}` was {json.dumps(before):.80}, is {json.dumps(now):.80}"
