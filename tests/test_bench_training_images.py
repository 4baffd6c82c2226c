import json
import sys

from benchmarks import training_images
from tests.train import tiny


def test_measure_counts_the_images_of_the_batches(tmp_path, monkeypatch, capsys):
    project = tiny.write_project(tmp_path / "project", train=8)
    config = tmp_path / "train.json"
    config.write_text(json.dumps({**tiny.CONFIG, "batch_size": {"train": 2, "val": 2}}))
    images, seconds = training_images.measure(str(config), project, batches=5)
    assert images == 10
    assert seconds > 0
    monkeypatch.setattr(sys, "argv", ["training_images", str(config), str(project), "--batches", "1"])
    training_images.main()
    assert capsys.readouterr().out.startswith("2 training images: 0.")
