"""The benchmark of jobs over many images: with the toy predictor, and its table."""

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")
from benchmarks import scale
from mrcnn.scale.job import Work
from tests.scale import toy


def test_measure_counts_bytes_and_seconds_of_an_image(tmp_path):
    images = sorted(map(str, toy.write_images(tmp_path, 6).iterdir()))
    cost = scale.measure(Work("none", "m", opener=toy.OPENER), images)
    sizes = [path.stat().st_size for path in sorted(tmp_path.iterdir())]
    assert cost.read == sum(sizes[2:]) / 4  # the first two are the start
    assert 0 < cost.decode < 1
    assert 0 < cost.work < 10
    assert cost.written > 100


def test_measure_reading_counts_bytes(tmp_path):
    images = sorted(map(str, toy.write_images(tmp_path, 3).iterdir()))
    size = sum(path.stat().st_size for path in tmp_path.iterdir()) / 3
    [line] = scale.measure_reading(images)
    assert line.endswith(f" ms of a processor to read and decode an image of {size:,.0f} bytes")


def test_table_of_a_billion_images():
    cost = scale.Cost(decode=0.009, work=0.9, wall=0.5, read=150_000, written=2000, memory=1.25, start=20)
    lines = [" ".join(line.split()) for line in scale.table(cost).splitlines()]
    assert lines[1] == "of it to read and decode 0.0090 (1.0%)"
    assert "a billion images: core hours 250,000" in lines  # 1e9 * 0.9 / 3600
    assert "a billion images: read 150.0 TB" in lines
    assert "a billion images: written 2.00 TB" in lines
    assert lines[-1] == "a core reads 0.17 MB/s"  # 150 kB / 0.9 s


def test_measure_names_reads_one_shard():
    lines = scale.measure_names(1000)
    assert lines[0].startswith("1,000 names: made in ")
    assert ", 4 shards, one of them read in " in lines[1]  # 1000 / 256


def test_measure_end_names_the_shards():
    line = scale.measure_end(2, 1)
    assert line.startswith("the end of a job of 2 shards of ")
    assert " kB with 1 failed image each: " in line


def test_measure_end_times_the_end(monkeypatch):
    ended = []
    monkeypatch.setattr(scale.job.Job, "finish", lambda found: ended.append(found.missing()))
    scale.measure_end(2, 0)
    assert ended == [[], [], []]  # three times, each with all shards written
