"""A job on disk: going on, what is refused, counts and the dead-letter list."""

import io
import json

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")
import pyarrow as pa
import pyarrow.parquet as pq

from mrcnn.errors import UserError
from mrcnn.predict import compact
from mrcnn.scale import job, rows
from mrcnn.scale.job import Counts, Work
from mrcnn.scale.manifest import Manifest
from tests.predict import helpers

FACTS = {"same": {"classes": ["bg", "cat", "dog"], "model": {"weights": 7, "settings": {"score_threshold": 0.5}}}}


def images(count):
    return Manifest(tuple(f"/x/{number}.png" for number in range(count)))


def start(folder, count=5, *, shard_size=2, facts=FACTS):
    return job.start(str(folder), images(count), shard_size=shard_size, facts=facts)


def fill(found, shard, *, failed=()):
    """Writes results of a shard: a cat and a dog in each image but the failed ones."""
    detections = helpers.make_compact([[0, 0, 2, 2], [2, 2, 4, 4]], ("cat", "dog"), (0.9, 0.8), size=(5, 6))
    made = [
        rows.of_failure(image, "gone") if image in failed else rows.of_detections(image, detections)
        for image in found.images_of(shard)
    ]
    job.storage.write_bytes(found.place_of(shard), rows.encode(made))


def test_start_splits_the_images(tmp_path):
    found = start(tmp_path / "out")
    assert found.shards == 3
    assert [found.images_of(shard) for shard in range(3)] == [
        ["/x/0.png", "/x/1.png"],
        ["/x/2.png", "/x/3.png"],
        ["/x/4.png"],
    ]
    assert found.missing() == [0, 1, 2]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"job.json", "manifest.parquet"}


def test_start_goes_on_with_what_is_there(tmp_path):
    fill(start(tmp_path), 1)
    (tmp_path / "shards" / ".x.partial").write_bytes(b"half a shard")  # of a killed worker
    assert start(tmp_path).missing() == [0, 2]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"count": 6}, "has other images (was 5, is 6); give the same again, or name another output for a new job"),
        ({"shard_size": 3}, "has another --shard-size (was 2, is 3); give"),
        (
            {"facts": {"same": {**FACTS["same"], "model": {"weights": 7, "settings": {"score_threshold": 0.25}}}}},
            "had another model or other settings (`model.settings.score_threshold` was 0.5, is 0.25); give the same",
        ),
        ({"facts": {"same": {**FACTS["same"], "classes": []}}}, 'settings (`classes` was ["bg", "cat", "dog"], is [])'),
        ({"facts": {"same": {**FACTS["same"], "more": 1}}}, "settings (`more` was null, is 1)"),
    ],
)
def test_start_refuses_another_job(tmp_path, changes, reason):
    start(tmp_path)
    before = (tmp_path / "job.json").read_bytes()
    with pytest.raises(UserError) as error:
        start(tmp_path, **changes)
    assert str(error.value).startswith(f"the job in {tmp_path} ")
    assert reason in str(error.value)
    assert (tmp_path / "job.json").read_bytes() == before


def test_start_refuses_other_names(tmp_path):
    start(tmp_path)
    other = Manifest(("/y/0.png", *images(5).images[1:]))
    with pytest.raises(UserError, match=r"has other images \(the names differ\)"):
        job.start(str(tmp_path), other, shard_size=2, facts=FACTS)


def test_start_refuses_results_without_a_job(tmp_path):
    fill(start(tmp_path), 0)
    (tmp_path / "job.json").unlink()
    with pytest.raises(UserError, match=r"holds results but no job\.json, so they cannot be continued; name another"):
        start(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, r"there is no job in .*: it has no job\.json; `mrcnn infer --engine local` writes one"),
        ("{", r"job\.json is damaged \(.*\); name another output"),
        ("{}", r"job\.json is damaged"),
        ('{"version": 2}', r"has version 2, this program reads 1; use the program that wrote it"),
    ],
)
def test_open_job_refuses_others(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "job.json").write_text(content)
    with pytest.raises(UserError, match=reason):
        job.open_job(str(tmp_path))


def test_finish_counts_and_lists_the_failed(tmp_path):
    found = start(tmp_path)
    for shard in range(3):
        fill(found, shard, failed={"/x/1.png", "/x/4.png"})
    # 5 images, 2 failed, a cat and a dog in each of the other 3
    assert found.finish() == Counts(-1, 5, 2, {"cat": 3, "dog": 3})
    assert [json.loads(line) for line in (tmp_path / "failed.jsonl").read_text().splitlines()] == [
        {"image": "/x/1.png", "error": "gone"},
        {"image": "/x/4.png", "error": "gone"},
    ]
    assert json.loads((tmp_path / "summary.json").read_text()) == {
        "images": 5,
        "done": 3,
        "failed": 2,
        "detections": {"cat": 3, "dog": 3},
    }
    assert found.counts_of(0) == Counts(0, 2, 1, {"cat": 1, "dog": 1})


def test_finish_reads_rows_of_shards_with_failed_images_alone(tmp_path, monkeypatch):
    found = start(tmp_path)
    for shard in range(3):
        fill(found, shard, failed={"/x/4.png"})
    decoded = []
    decode = rows.decode
    monkeypatch.setattr(rows, "decode", lambda data, columns: decoded.append(columns) or decode(data, columns))
    assert found.finish() == Counts(-1, 5, 1, {"cat": 4, "dog": 4})
    assert decoded == [["image", "error"]]


def test_finish_counts_results_of_a_version_without_counts_in_the_footer(tmp_path):
    found = start(tmp_path)
    for shard in range(3):
        fill(found, shard, failed={"/x/1.png"})
        pq.write_table(pa.Table.from_pylist(found.rows_of(shard), schema=rows.SCHEMA), found.place_of(shard))
    assert found.finish() == Counts(-1, 5, 1, {"cat": 4, "dog": 4})
    assert (tmp_path / "failed.jsonl").read_text() == '{"image": "/x/1.png", "error": "gone"}\n'


def test_finish_says_why_a_file_cannot_be_read(tmp_path, monkeypatch):
    found = start(tmp_path)
    for shard in range(3):
        fill(found, shard)

    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(job.storage, "open", lambda place, mode: Broken(b"PAR1" * 9), raising=False)
    with pytest.raises(UserError, match=r"^cannot read the results .*0000000\.parquet: Input/output error$"):
        found.finish()


def test_finish_refuses_lost_results(tmp_path):
    found = start(tmp_path)
    for shard in range(3):
        fill(found, shard)
    job.storage.write_bytes(found.place_of(0), rows.encode([rows.of_detections("/x/0.png", compact.empty((5, 6)))]))
    with pytest.raises(UserError, match=r"have 4 images, the job has 5"):
        found.finish()
    job.storage.remove(found.place_of(0))
    with pytest.raises(UserError, match=r"cannot read the results .*0000000\.parquet: no such file$"):
        found.finish()


@pytest.mark.parametrize("content", [b"", b"PAR1 half a file"])
def test_rows_of_refuses_damaged_results(tmp_path, content):
    found = start(tmp_path)
    job.storage.write_bytes(found.place_of(0), content)
    with pytest.raises(
        UserError, match=r"^the results .*0000000\.parquet are damaged \(.*\); remove the file and start"
    ):
        found.finish()


def test_work_is_text_and_back():
    work = Work("o", "m", loading={"input_size": [1, 2]}, config={"mode": {"name": "roi"}}, batch_size=3, identity="x")
    assert Work.from_json(work.to_json()) == work


def test_counts_of_nothing():
    assert Counts.of(4, rows.tally([])) == Counts(4, 0, 0, {})
    assert Counts(4, 3, 1, {}).done == 2
