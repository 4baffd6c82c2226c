"""A whole job, with an engine in this process."""

import json

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.scale import job, local, manifest, run, worker
from mrcnn.scale.job import Counts, Work
from tests.scale import toy


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Describes the model in this process; tests/scale/test_local.py has other processes."""
    monkeypatch.setattr(local, "in_process", lambda function, work, *, gpus: function(work))


@pytest.fixture
def images(tmp_path):
    return toy.write_images(tmp_path / "images", 10, broken=[4])


def engine(work, shards):
    made = worker.ShardWorker(work)
    return (made.run(shard) for shard in shards)


def start(images, output, *, model="m", engine=engine, **options):
    config = options.pop("config", {})
    size = options.pop("batch_size", 1)
    work = Work(str(output), model, config=config, batch_size=size, opener=toy.OPENER)
    return run.run(work, manifest.find([images]), engine, log=JsonLog(), **{"shard_size": 4, **options})


def messages(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_run_counts_and_reports(images, tmp_path, capsys):
    # areas: number % 4 of each image, 0 1 2 3 (broken) 1 2 3 0 1 = 13
    found = start(images, tmp_path / "out")
    assert (found.images, found.failed, sum(found.detections.values())) == (10, 1, 13)
    heard = messages(capsys)
    assert [item["current"] for item in heard if item["message"] == "progress"] == [0, 4, 8, 10]
    lines = [item["message"] for item in heard]
    assert lines[0] == "a toy"
    assert "10 images: 9 done, 1 failed" in lines
    assert f"1 image failed, {tmp_path}/out/failed.jsonl has the reasons; --retry-failed tries again" in lines
    assert any(line.startswith("detections: ") for line in lines)
    assert heard[-1]["event_type"] == "EventType.MODEL_APPLIED"


def test_run_goes_on_after_an_interruption(images, tmp_path, capsys):
    def interrupted(work, shards):
        yield next(iter(engine(work, shards)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(images, tmp_path / "out", engine=interrupted)
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / "shards").iterdir()}
    assert list(times) == ["0000000.parquet"]
    messages(capsys)
    assert start(images, tmp_path / "out").images == 10
    heard = messages(capsys)
    assert "1 of 3 shards are done already" in [item["message"] for item in heard]
    assert [item["current"] for item in heard if item["message"] == "progress"] == [4, 8, 10]
    assert (tmp_path / "out" / "shards" / "0000000.parquet").stat().st_mtime_ns == times["0000000.parquet"]
    assert not (tmp_path / "out" / ".mrcnn.lock").exists()


def test_run_twice_does_nothing_the_second_time(images, tmp_path):
    first = start(images, tmp_path / "out")
    asked = []
    assert start(images, tmp_path / "out", engine=lambda work, shards: iter(asked.extend(shards) or ())) == first
    assert asked == []


def test_run_tries_failed_images_again(images, tmp_path):
    start(images, tmp_path / "out")
    toy.write_images(images, 5)  # repairs image 4, which has 4 % 4 = 0 areas
    assert start(images, tmp_path / "out").failed == 1
    found = start(images, tmp_path / "out", retry_failed=True)
    assert (found.failed, sum(found.detections.values())) == (0, 13)
    assert (tmp_path / "out" / "failed.jsonl").read_text() == ""


def test_run_refuses_another_model_and_other_images(images, tmp_path):
    start(images, tmp_path / "out")
    with pytest.raises(UserError, match=r'other settings \(`model.weights` was "m", is "n"\); give the same again, or'):
        start(images, tmp_path / "out", model="n")
    with pytest.raises(UserError, match=r"other settings \(`config.mode` was null, is .*\)"):
        start(images, tmp_path / "out", config={"mode": {"name": "roi"}})
    start(images, tmp_path / "out", batch_size=2)  # it only changes the speed
    toy.write_images(images, 11, broken=[4])
    with pytest.raises(UserError, match=r"has other images \(was 10, is 11\)"):
        start(images, tmp_path / "out")


def test_run_refuses_a_second_run_at_the_same_time(images, tmp_path):
    def second(work, shards):
        with pytest.raises(UserError, match="another run is writing to"):
            start(images, tmp_path / "out")
        return engine(work, shards)

    assert start(images, tmp_path / "out", engine=second).images == 10


def test_run_writes_to_object_storage(images):
    found = start(images, "memory://bucket/out")
    assert found.images == 10
    assert job.open_job("memory://bucket/out").missing() == []


def test_run_ends_with_an_error_where_all_images_failed(tmp_path):
    images = toy.write_images(tmp_path / "images", 2, broken=[0, 1])
    with pytest.raises(UserError, match=r"none of the 2 images could be used; .*out/failed\.jsonl says why"):
        start(images, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"shard_size": 0}, "--shard-size must be at least 1, got 0"),
        ({"batch_size": 0}, "--batch-size must be at least 1, got 0"),
        ({"config": {"mode": {"name": "bboxes"}}}, "the mode bboxes needs annotated objects"),
        ({"model": "broken"}, "the model broken is broken; repair it"),
    ],
)
def test_run_checks_before_it_starts(images, tmp_path, options, reason):
    with pytest.raises(UserError, match=reason):
        start(images, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_run_says_that_maps_are_left_out(images, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(toy.BrightAreas, "maps", {"semantic": None})
    start(images, tmp_path / "out")
    lines = [item["message"] for item in messages(capsys)]
    assert "the results have no semantic map of the images; leave out --engine to get it" in lines


def test_engine_error_leaves_the_finished_shards(images, tmp_path):
    def fails(work, shards):
        yield next(iter(engine(work, shards)))
        raise UserError("no room")

    with pytest.raises(UserError, match=r"^no room$"):
        start(images, tmp_path / "out", engine=fails)
    assert job.open_job(str(tmp_path / "out")).missing() == [1, 2]
    assert start(images, tmp_path / "out") == Counts(-1, 10, 1, start(images, tmp_path / "out").detections)
