import io

import cv2
import numpy as np
import pytest

from mrcnn.config.load import load_train_config
from mrcnn.data import pipeline
from mrcnn.data.skipped import Skipped
from mrcnn.data.sources import table
from mrcnn.data.sources.samples import load_samples
from mrcnn.data.sources.source import DataPaths, Settings
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.report import batches, look
from tests.train import tiny

CONFIG = {**tiny.CONFIG, "augmentation": [{"name": "Fliplr", "args": {"p": 0.5}}], "seed": 3}


def test_look_draws_the_batches_of_a_training(tmp_path):
    log = JsonLog(io.StringIO())
    root, config = tiny.write_project(tmp_path / "p"), load_train_config(CONFIG)
    paths = look.look(config, project=root, output=tmp_path / "out", count=3, log=log)
    names = ["epoch_0001_step_0001.png", "epoch_0001_step_0002.png", "epoch_0002_step_0001.png"]  # 4 images by twos
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    samples = load_samples(table.open_source(DataPaths(root), []), Settings(seed=3)).train
    stream, _ = pipeline.train_dataset(samples, config, batch_size=2, skipped=Skipped(4))
    third = list(stream.take(3).as_numpy_iterator())[2]
    drawn = batches.draw_batch(third, titles={1: "bar", 2: "disc"}, names=[sample.name for sample in samples])
    assert (cv2.imread(str(paths[2]))[..., ::-1] == drawn).all()
    assert not np.array_equal(cv2.imread(str(paths[0])), cv2.imread(str(paths[2])))


def test_look_twice_is_the_same(tmp_path):
    log = JsonLog(io.StringIO())
    train, val, images = tiny.write_coco(tmp_path / "coco")
    data = DataPaths(train, images, val)
    written = [
        look.look(load_train_config(CONFIG), data=data, output=tmp_path / name, count=1, log=log)[0].read_bytes()
        for name in ("a", "b")
    ]
    assert written[0] == written[1]


def test_look_refuses_a_folder_with_files_and_a_training_that_would_fail(tmp_path):
    log = JsonLog(io.StringIO())
    root = tiny.write_project(tmp_path / "p", val=0)
    with pytest.raises(UserError, match="must be new or an empty folder"):
        look.look(load_train_config(CONFIG), project=root, output=root, count=1, log=log)
    with pytest.raises(UserError, match="val"):
        look.look(load_train_config(CONFIG), project=root, output=tmp_path / "out", count=1, log=log)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="give `project` or `data`"):
        look.look(load_train_config(CONFIG), output=tmp_path / "out", count=1, log=log)
