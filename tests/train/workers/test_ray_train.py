"""Two workers of Ray Train on this machine against one process, in the environment of `make scale-test`."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mrcnn.train import history
from tests.train import tiny

PYTHON = os.environ.get("MRCNN_SCALE_PYTHON")
pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="Ray is in an environment of its own: make scale-test"),
    pytest.mark.slow,
]
ROOT = Path(__file__).resolve().parents[3]
LIMIT = 600  # seconds
RATE = {"lr": 0.01, "optimizer": {"global_clipnorm": 1.0}, "epochs": 1}


def train(folder, *, project, workers, batch):
    """Trains with Ray's workers, or without for 0, and returns the row of the only epoch."""
    folder.mkdir()
    settings = {**RATE, "batch_size": {"train": batch, "val": 2}}
    task = {"project": str(project), "output": str(folder / "run"), "ray": str(folder / "ray"), "settings": settings}
    (folder / "task.json").write_text(json.dumps(task))
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",  # it rounds batches of different sizes otherwise
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    command = [PYTHON, Path(__file__).with_name("ray_child.py"), folder / "task.json", str(workers)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr[-3000:]
    [row] = history.read_csv(folder / "run" / "history.csv")
    return row, done.stdout + done.stderr


def test_find_the_workers_of_ray_train(tmp_path):
    """8 images are two steps of 4: two workers with 2 images each, or one process with 4."""
    project = tiny.write_project(tmp_path / "project", train=8)
    row, _ = train(tmp_path / "one", project=project, workers=0, batch=4)
    other, said = train(tmp_path / "two", project=project, workers=2, batch=2)
    assert "CPU:0 of each of 2 workers" in said
    columns = [name for name in row if name.endswith("loss") or "_ap" in name]
    assert len(columns) == 18  # 7 losses of each set, 4 measures
    for name in columns:
        np.testing.assert_allclose(other[name], row[name], rtol=1e-5, atol=1e-7, err_msg=name)
