"""The promises of a run, kept by the real model and not only by the small fake one; minutes, so marked slow."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mrcnn.train import checkpoint
from mrcnn.train import state as states
from mrcnn.weights import hdf5

from . import tiny

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]

PRELUDE = """
import json, os, signal, sys
from pathlib import Path
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
sys.path.insert(0, "tests/train")
import tiny
from mrcnn.config.load import load_train_config
from mrcnn.events import JsonLog
from mrcnn.train import devices, run

class SignalLog(JsonLog):
    left = None
    def metrics(self, split, epoch, metrics, *, training=None):
        super().metrics(split, epoch, metrics)
        if self.left is not None and split == "train":
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGTERM)

def train(project, output, *, resume=False, stop_after=None, **settings):
    log = SignalLog()
    log.left = stop_after
    config = load_train_config({**tiny.CONFIG, **settings})
    try:
        run.train(config, project_dir=project, output_dir=output, log=log, resume=resume)
    except SystemExit as stopped:
        assert stopped.code == 143, stopped.code

root = Path(sys.argv[1])
project = tiny.write_project(root / "project", train=8)
"""


def execute(code, folder, **variables):
    command = [sys.executable, "-c", PRELUDE + code, str(folder)]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def read(output):
    last = checkpoint.find_last(output)
    with hdf5.read_file(last / checkpoint.WEIGHTS) as file:
        weights = {name: value[()] for layer in file.layers.values() for name, value in layer.items()}
    with (output / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return weights, states.read(last / states.FILE), rows


SEMANTIC = {  # images of a disc have stuff alone, those of a bar a thing alone: as many labelled pixels as objects have
    "special_classes": {"stuff": ["disc"]},
    "model": {**tiny.CONFIG["model"], "extra_heads": ["semantic"]},
}
POINTREND = {  # that learns from points, of which each step draws a half
    **tiny.CONFIG["model"],
    **{"mask_head": "pointrend", "mask_pool_size": 4, "mask_size": 16, "mask_supervision": "points"},
}
HEADS = {
    "fcn": {},
    "semantic": SEMANTIC,
    "pointrend": {"model": POINTREND},
    "cascade": {"model": {**POINTREND, "box_head": "cascade"}},
    "hourglass": {  # that learns from points too
        "allowed_mask_classes": ["disc"],
        "model": {
            **tiny.CONFIG["model"],
            **{"mask_head": "hourglass20", "mask_pool_size": 8, "mask_size": 16, "mask_train_boxes": "ground_truth"},
            "mask_supervision": "points",
        },
    },
}


@pytest.mark.parametrize("head", ["fcn", "semantic", "cascade", "hourglass"])
def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(tmp_path, head):
    execute(
        f"""
settings = {{"batch_size": {{"train": 2, "val": 2}}, **json.loads({json.dumps(HEADS[head])!r})}}
train(project, root / "whole", **settings)
train(project, root / "parts", stop_after=6, **settings)
train(project, root / "parts", resume=True, **settings)
""",
        tmp_path,
    )
    whole, parts = read(tmp_path / "whole"), read(tmp_path / "parts")
    for name, value in whole[0].items():
        np.testing.assert_array_equal(parts[0][name], value, err_msg=name)
    # beside other work, sums of an RPN kernel's gradient differed in the last bit once, by 2e-12
    within = 0.0 if head == "fcn" else 1e-9
    for value, other in zip(whole[1].optimizer, parts[1].optimizer, strict=True):
        np.testing.assert_allclose(other, value, rtol=0, atol=within)
    assert [row["val_loss"] for row in parts[2]] == [row["val_loss"] for row in whole[2]]
    assert float(whole[2][0]["mrcnn_mask_loss"]) > 0  # all five losses took part


@pytest.mark.parametrize(("head", "losses"), [("fcn", 14), ("semantic", 16), ("pointrend", 16)])
def test_two_devices_equal_one_on_the_same_global_batch(tmp_path, head, losses):
    execute(
        f"""
settings = {{"optimizer": {{"global_clipnorm": 1.0}}, **json.loads({json.dumps(HEADS[head])!r})}}
for names, batch in ((["CPU:0"], 4), (["CPU:0", "CPU:1"], 2)):
    devices.choose = lambda gpu_devices, warn: devices.use(names)
    train(project, root / str(len(names)), epochs=1, batch_size={{"train": batch, "val": 2}}, **settings)
""",
        tmp_path,
        TF_ENABLE_ONEDNN_OPTS="0",  # oneDNN rounds batches of different sizes otherwise
    )
    (weights, state, rows), (other_weights, other_state, other_rows) = read(tmp_path / "1"), read(tmp_path / "2")
    columns = [name for name in rows[0] if name.endswith("loss")]
    assert len(columns) == losses
    for name in columns:
        np.testing.assert_allclose(float(other_rows[0][name]), float(rows[0][name]), rtol=1e-5, err_msg=name)
    assert state.optimizer[0] == other_state.optimizer[0] == 2  # steps
    velocities = list(zip(state.optimizer[1:], other_state.optimizer[1:], strict=True))
    for value, other in velocities:  # a ReLU within rounding of zero may change one channel of a kernel
        assert np.linalg.norm(other - value) <= 2e-2 * np.linalg.norm(value)
    every, other_every = (np.concatenate([value.ravel() for value in part]) for part in zip(*velocities, strict=True))
    assert np.linalg.norm(other_every - every) <= 1e-3 * np.linalg.norm(every)
    for name, value in weights.items():
        np.testing.assert_allclose(other_weights[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_reduced_precision_trains(tmp_path, precision):
    execute(f'train(project, root / "out", epochs=1, precision="{precision}")', tmp_path)
    weights, state, rows = read(tmp_path / "out")
    assert all(np.isfinite(value).all() for value in weights.values())
    assert len(state.optimizer) > len([value for value in state.optimizer if value.ndim])
    assert np.isfinite(float(rows[0]["val_loss"]))
    content = json.loads((tmp_path / "out" / "last" / "config.json").read_text())
    assert content["settings"]["precision"] == precision


def test_two_devices_train_an_hourglass_as_one_does(tmp_path):
    """All batch norms are synchronized; each image has one object, so the devices have as many regions.

    It learns from masks: with points, the mask loss of the two steps differed by 0.6 % here.
    """
    model = {**HEADS["hourglass"]["model"], "batch_norm": "synchronized", "weight_decay": 0.0}
    model["mask_supervision"] = "masks"
    execute(
        f"""
model = json.loads({json.dumps(model)!r})
for names, batch in ((["CPU:0"], 4), (["CPU:0", "CPU:1"], 2)):
    devices.choose = lambda gpu_devices, warn: devices.use(names)
    clip = {{"global_clipnorm": 1.0}}
    settings = dict(epochs=1, batch_size={{"train": batch, "val": 2}}, optimizer=clip, model=model, lr=0.0002)
    train(project, root / str(len(names)), **settings)
""",
        tmp_path,
        TF_ENABLE_ONEDNN_OPTS="0",
    )
    (_, _, rows), (_, _, other_rows) = read(tmp_path / "1"), read(tmp_path / "2")
    assert float(rows[0]["mrcnn_mask_loss"]) > 0
    # means of two steps; the second follows an update, a small one: statistics of few images enlarge rounding errors
    for name, within in (("mrcnn_mask_loss", 1e-3), ("rpn_class_loss", 1e-3), ("loss", 5e-3)):
        np.testing.assert_allclose(float(other_rows[0][name]), float(rows[0][name]), rtol=within, err_msg=name)
