"""Runs the commands of docs/pedestrians.md on drawn data of the same layout, with a tiny network."""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mrcnn import __main__ as command
from mrcnn.config import load
from mrcnn.project.reader import Project
from tests.convert.drawn_masks import SIZE_HW, photograph, save, write_penn_fudan
from tests.train import tiny

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "pedestrians.md"
SCRIPTS = ("train.py", "inference.py", "deploy.py")
PRESETS = {"pedestrians": 2, "nuclei_cpu": 1}  # name -> epochs here


def _commands():
    """The page's commands in order, each as a list of arguments."""
    blocks = re.findall(r"^```\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("python ")]


def _write_nuclei(root):
    for index in range(35):  # --val 33 leaves two to train on
        folder = root / "stage1_train" / f"{index:02d}"
        mask = cv2.circle(np.zeros(SIZE_HW, np.uint8), (20 + index % 20, 24), 8, 255, -1)
        save(folder / "images" / f"{index:02d}.png", photograph(mask, seed=index))
        save(folder / "masks" / "1.png", mask)


def _write_tiny_preset(folder, name, *, epochs):
    """Writes a preset with the layers, input and start of a network that trains in seconds."""
    preset = json.loads((ROOT / "presets" / f"{name}.json").read_text())
    small = {key: tiny.CONFIG[key] for key in ("input_size", "weights_init_type", "lr")}
    # random weights: all layers train, with clipped gradients
    changes = {**small, "epochs": epochs, "train_layers": "all", "optimizer": {}, "lr_schedule": {"name": "constant"}}
    model = {**preset["model"], **tiny.CONFIG["model"]}
    (folder / f"{name}.json").write_text(json.dumps({**preset, **changes, "model": model}))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder like the repository after the download, with smaller presets."""
    folder = tmp_path_factory.mktemp("pedestrians")
    write_penn_fudan(folder / "PennFudanPed", count=10)
    _write_nuclei(folder / "DSB2018")
    for name in SCRIPTS:
        (folder / name).symlink_to(ROOT / name)
    (folder / "presets").mkdir()
    for name, epochs in PRESETS.items():
        _write_tiny_preset(folder / "presets", name, epochs=epochs)
    return folder


def test_the_page_has_every_step():
    steps = [" ".join(given[1:4]) if given[1] == "-m" else given[1] for given in _commands()]
    assert steps == [
        "-m mrcnn convert", "-m mrcnn check", "train.py", "-m mrcnn evaluate", "inference.py",
        "-m mrcnn convert", "-m mrcnn check", "train.py",
    ]  # fmt: skip


def test_convert_and_check_work_as_the_page_shows(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    for given in _commands():
        if given[1:4] in (["-m", "mrcnn", "convert"], ["-m", "mrcnn", "check"]):
            assert command.main(given[3:]) == 0, given
    printed = capsys.readouterr()
    assert printed.out.count("0 errors") == 2
    project = Project.open(place / "pedestrians")
    tags = [item.read_annotation(project.meta).tags[0].name for item in project.items]
    assert (tags.count("train"), tags.count("val")) == (7, 3)  # round(10 * 0.294)
    pattern = PAGE.read_text().split("pedestrians: 170 images")[1].split("\n")[0]
    pattern = re.escape(pattern).replace("…", ".*").replace("120", "7").replace("50", "3")
    assert re.search(f"pedestrians: 10 images{pattern}", " ".join(printed.err.split()))


def test_the_share_of_the_page_draws_50_of_170(tmp_path):
    (share,) = (given[given.index("--val-fraction") + 1] for given in _commands() if "--val-fraction" in given)
    assert round(170 * float(share)) == 50


@pytest.mark.slow
def test_every_command_of_the_page_works(place):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("SLY_TASK_DIR", None)
    for given in _commands():
        out = given[given.index("--out") + 1] if "--out" in given else None
        if out and (place / out).exists():  # made by the fast test
            continue
        done = subprocess.run([sys.executable, *given[1:]], cwd=place, env=env, capture_output=True, text=True)
        assert done.returncode == 0, (given, done.stderr[-3000:])
    metrics = json.loads((place / "runs/pedestrians-metrics.json").read_text())
    assert (metrics["images"], set(metrics["per_class"])) == (3, {"pedestrian"})
    assert {"box_ap", "box_ap50", "box_ap75", "mask_ap", "mask_ap50", "mask_ap75", "score_threshold"} <= set(metrics)
    assert len(list((place / "runs/pedestrians-found/overlay").glob("*.png"))) == 10
    columns, *rows = csv.reader((place / "runs/pedestrians/history.csv").read_text().splitlines())
    assert {"val_mask_ap", "train_seconds"} <= set(columns)
    assert len(rows) == 2
    settings = json.loads((place / "runs/pedestrians/best/config.json").read_text())["settings"]
    assert (settings["lr"], settings["batch_size"]["train"]) == (tiny.CONFIG["lr"], 2)
    assert (place / "runs/pedestrians/curves.png").is_file()


def test_the_preset_has_the_values_that_the_page_names():
    config = load.load_train_config("pedestrians")
    assert (config.lr, config.epochs, config.batch_size.train, config.input_size.min_dim) == (0.005, 10, 2, 800)
    assert (config.lr_schedule.milestones, config.lr_schedule.gamma) == ((3, 6, 9), 0.1)
    assert (config.weights_init_type, config.model.backbone) == ("auto", "resnet50")
