import json
import sys

import numpy as np
import pytest

from benchmarks import accuracy, same_steps
from mrcnn.config.load import load_train_config
from mrcnn.config.train import TrainConfig
from tests.train import tiny


def losses(names, *values):
    return dict(zip(names, values, strict=True))


def test_table_shows_both_sides_and_the_gap_of_their_sums():
    ours = [losses(same_steps.LOSSES, 0.7, 0.1, 1.0, 0.1, 0.1), losses(same_steps.LOSSES, 0.7, 0.1, 1.1, 0.1, 0.1)]
    theirs = [losses(same_steps.LOSSES.values(), 0.7, 0.1, 1.0, 0.1, 0.1)] * 2
    head, first, last, verdict = same_steps.table(ours, theirs).splitlines()
    assert head.split() == ["step", "rpn_class", "rpn_bbox", "mrcnn_class", "mrcnn_bbox", "mrcnn_mask", "sum"]
    assert first.split()[:5] == ["1", "0.7000", "0.7000", "0.1000", "0.1000"]
    assert (first.split()[-1], last.split()[-1]) == ("0.00%", "5.00%")  # 2.1 / 2.0
    assert verdict == "sums differ by at most 5.00%; the first 1 steps by less than 2%"


def test_table_says_that_a_side_diverged():
    ours = [losses(same_steps.LOSSES, float("nan"), 0.1, 1.0, 0.1, 0.1)]
    theirs = [losses(same_steps.LOSSES.values(), 0.7, 0.1, 1.0, 0.1, 0.1)]
    assert same_steps.table(ours, theirs).endswith("a side diverged")


@pytest.fixture
def steps(tmp_path):
    project = tiny.write_project(tmp_path / "project", train=3, val=1)
    config = load_train_config({**tiny.CONFIG})
    samples = accuracy.read_samples(config, project)
    folder = tmp_path / "out"
    folder.mkdir()
    return same_steps.write_steps(samples.train, config, folder, count=2, side=64), folder


def test_write_steps_stores_what_both_sides_train_on(steps):
    made, folder = steps
    assert [len(step) for step in made] == [2, 2]  # images 0 and 1, then 2 and 0 again
    np.testing.assert_array_equal(made[0][0][0], made[1][1][0])
    with np.load(folder / "train" / "000000.npz") as stored:
        image, objects = made[0][0]
        np.testing.assert_array_equal(stored["image0"], image)
        assert image.shape == (64, 64, 3)
        np.testing.assert_array_equal(stored["boxes0"], objects.boxes)
        masks = np.unpackbits(stored["masks0"], count=len(objects.boxes) * 64 * 64).reshape(-1, 64, 64)
        assert [int(mask.sum()) for mask in masks] == [int(mask.sum()) for mask in objects.masks]


def test_main_compares_what_both_sides_return(tmp_path, monkeypatch, capsys):
    project = tiny.write_project(tmp_path / "project", train=2, val=1)
    out, called = tmp_path / "out", []

    def other_side(command, *, check):
        called.append(command)
        values = [losses(same_steps.LOSSES.values(), 1.0, 1.0, 1.0, 1.0, 1.0)]
        (out / same_steps.RESULT).write_text(json.dumps(values))

    def metrics(weights, project, *, tag, names, **_):
        assert (tag, names) == ("val", {"classes": ["bar", "disc"], "input_size": (64, 64)})
        return dict.fromkeys(same_steps.METRICS, 0.25 if weights.name == "ours.pth" else 0.5)

    monkeypatch.setattr(same_steps, "build", lambda classes, weights: (classes, weights))
    monkeypatch.setattr(same_steps, "write_state", lambda model, path: path.write_bytes(b""))
    monkeypatch.setattr(same_steps, "train", lambda *_: [losses(same_steps.LOSSES, 1.0, 1.0, 1.0, 1.0, 1.01)])
    monkeypatch.setattr(same_steps.subprocess, "run", other_side)
    monkeypatch.setattr(same_steps.scoring, "evaluate_model", metrics)
    monkeypatch.setattr(same_steps, "load_train_config", lambda *_, **__: TrainConfig())
    arguments = [str(project), "--weights", "w.h5", "--steps", "1", "--side", "64", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["same_steps", *arguments, "--torch-python", "other/python"])
    same_steps.main()
    assert called == [["other/python", str(same_steps.SCRIPT), str(out)]]
    settings = json.loads((out / same_steps.SETTINGS).read_text())
    assert (settings["classes"], settings["side"], settings["regions"]) == (3, 64, same_steps.REGIONS)
    *_, verdict, ours, theirs = capsys.readouterr().out.splitlines()
    assert verdict.startswith("sums differ by at most 0.20%")  # 5.01 / 5
    assert ours == "ours.pth: box_ap 0.250, box_ap50 0.250, mask_ap 0.250, mask_ap50 0.250"
    assert theirs == "torchvision.pth: box_ap 0.500, box_ap50 0.500, mask_ap 0.500, mask_ap50 0.500"
