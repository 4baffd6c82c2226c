"""The engine of this machine: killed workers, a killed driver, errors of workers."""

import dataclasses
import sys

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from mrcnn.errors import UserError
from mrcnn.scale import job, local, manifest, worker
from mrcnn.scale.failure import Lost
from tests.scale import kills, toy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A started job of six images in three shards."""
    monkeypatch.setenv("TOY_PROCESSES", str(tmp_path))
    images = manifest.find([toy.write_images(tmp_path / "images", 6)])
    found = job.Work(str(tmp_path / "out"), "m", opener=toy.OPENER)
    job.start(found.output, images, shard_size=2, facts={})
    return found


def run(work, shards=(0, 1, 2), *, workers=1, warn=print):
    return list(local.run(work, shards, workers=workers, gpus=(), warn=warn))


def test_run_gives_the_error_of_a_worker(work):
    job.storage.remove(job.storage.joined(work.output, job.MANIFEST))
    with pytest.raises(UserError, match=r"^cannot read the list of images .*manifest\.parquet: no such file$"):
        run(work)


def test_run_ends_when_workers_are_killed_again_and_again(work, monkeypatch):
    heard = []
    monkeypatch.setattr(local, "MOST_BARREN", 2)
    with pytest.raises(UserError, match=r"killed before they finish a shard, 2 times in a row; .* not done is 1"):
        run(dataclasses.replace(work, model="killed"), (1, 2), warn=heard.append)
    assert heard == ["a worker was killed, so all are restarted; 2 shards left"]


def test_in_process_gives_the_error_of_the_function(work):
    with pytest.raises(UserError, match=r"^the model broken is broken; repair it$"):
        local.in_process(worker.describe, dataclasses.replace(work, model="broken"), gpus=())


def test_run_without_shards():
    assert run(job.Work("none", "m"), ()) == []


def test_run_goes_on_with_the_other_shards_when_a_worker_is_killed(work):
    heard = []
    found = run(dataclasses.replace(work, model="killed once"), warn=heard.append)
    assert [(counts.shard, counts.images) for counts in found] == [(0, 2), (1, 2), (2, 2)]
    assert heard == ["a worker was killed, so all are restarted; 2 shards left"]


def test_run_repeats_the_shard_of_a_lost_device_in_new_processes(work):
    heard = []
    found = run(dataclasses.replace(work, model="lost once"), warn=heard.append)
    assert [tuple(counts)[:3] for counts in found] == [(0, 2, 0), (1, 2, 0), (2, 2, 0)]
    [line] = heard
    assert line.startswith("the model fails on ")
    assert line.endswith("; all workers are restarted; 1 shard left")


def test_run_ends_when_the_device_is_lost_from_the_start(work):
    with pytest.raises(UserError, match=r"^the model fails on .* and on a blank image \(RuntimeError: the device is"):
        run(dataclasses.replace(work, model="lost"))
    assert job.open_job(work.output).missing() == [0, 1, 2]


def test_run_ends_when_devices_are_lost_again_and_again(work, monkeypatch):
    def lost(*_, **__):
        raise Lost("the model fails on a.png and on a blank image (the device is gone)")

    heard = []
    monkeypatch.setattr(local, "_in_pool", lost)
    with pytest.raises(
        UserError, match=r"^the model fails on a\.png .* gone\); 3 times in a row without a finished shard"
    ):
        run(work, (1, 2), warn=heard.append)
    assert len(heard) == 2


@pytest.mark.slow
def test_run_loses_and_doubles_nothing_when_a_worker_and_the_driver_are_killed(tmp_path):
    kills.Killer(tmp_path, "local", seconds=0.2).kill_both()


@pytest.mark.slow
def test_run_survives_ten_kills_of_a_worker(tmp_path):
    killer = kills.Killer(tmp_path, "local").measure()
    for seed in range(10):
        killer.kill_worker(kills.rng(seed))
    assert killer.hits >= 5  # the others came after the end


@pytest.mark.slow
def test_run_survives_ten_kills_of_the_driver(tmp_path):
    killer = kills.Killer(tmp_path, "local").measure()
    for seed in range(5):  # two kills each
        killer.kill_driver(kills.rng(seed))
    assert killer.hits >= 5
