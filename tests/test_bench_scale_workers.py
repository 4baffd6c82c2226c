"""The benchmark of several local workers: with the toy predictor, and its table."""

import sys

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")
from benchmarks import scale_workers
from benchmarks.scale_workers import Speed
from mrcnn.scale.job import Work
from tests.scale import toy


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_measure_runs_the_workers(tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "0.05")
    images = toy.write_images(tmp_path / "images", 3)
    found = scale_workers.measure(Work("", "m", opener=toy.OPENER), [str(images)], workers=1, count=16)
    assert 0 < found.rate < 20  # an image takes 0.05 s at least
    assert found.memory > 0.05
    assert found.start > 8 * 0.05


def test_table_has_medians_and_their_ratio():
    slow = [Speed(1.0, 1.5, 20), Speed(2.0, 1.0, 22), Speed(9.0, 1.2, 90)]
    found = {1: slow, 2: [Speed(3.0, 1.1, 30)] * 3}
    assert scale_workers.table(found)[1:] == [
        "  1 workers: 2.00 images a second (1.00 times), 1.20 GB a worker, started after 22 s",
        "  2 workers: 3.00 images a second (1.50 times), 1.10 GB a worker, started after 30 s",
    ]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["--count", "0"], "--count must be a multiple of 8, the images of a shard, got 0"),
        (["--count", "100"], "--count must be a multiple of 8, the images of a shard, got 100"),
        (["--workers", "1", "0"], "--workers and --runs must be at least 1"),
        (["--runs", "0"], "--workers and --runs must be at least 1"),
    ],
)
def test_numbers_that_cannot_be_measured_are_refused(capsys, given, line):
    with pytest.raises(SystemExit):
        scale_workers.main(["--model", "m", "--images", "photos", *given])
    assert line in capsys.readouterr().err
