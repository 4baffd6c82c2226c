import json
import sys

import numpy as np
import pytest

from benchmarks import accuracy, same_steps
from mrcnn.config.load import load_train_config
from mrcnn.config.train import TrainConfig
from mrcnn.ops import sampling
from tests.train import tiny


def losses(names, *values):
    return dict(zip(names, values, strict=True))


def test_table_shows_both_sides_and_the_gap_of_their_sums():
    ours = [losses(same_steps.LOSSES, 0.7, 0.1, 1.0, 0.1, 0.1), losses(same_steps.LOSSES, 0.7, 0.1, 1.1, 0.1, 0.1)]
    theirs = [losses(same_steps.LOSSES.values(), 0.7, 0.1, 1.0, 0.1, 0.1)] * 2
    head, first, last = same_steps.table(ours, theirs).splitlines()
    assert head.split() == ["step", "rpn_class", "rpn_bbox", "mrcnn_class", "mrcnn_bbox", "mrcnn_mask", "sum"]
    assert first.split()[:5] == ["1", "0.7000", "0.7000", "0.1000", "0.1000"]
    assert (first.split()[-1], last.split()[-1]) == ("0.00%", "5.00%")  # 2.1 / 2.0


def test_sums_of_reads_the_names_of_either_side():
    for names in (same_steps.LOSSES, same_steps.LOSSES.values()):
        assert same_steps.sums_of([losses(names, 1.0, 2.0, 3.0, 4.0, 5.0)]) == [15.0]


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        ([2.0, 2.02, 2.1], "1.00% (median) and at most 5.00%; by more than 2% in 1 of 3 steps, first in step 3"),
        ([2.0, 2.02, 2.0], "0.00% (median) and at most 1.00%; by more than 2% in 0 of 3 steps"),
    ],
)
def test_verdict_counts_the_steps_that_differ(ours, expected):
    assert same_steps.verdict(ours, [2.0] * 3) == f"sums of losses differ by {expected}"


@pytest.mark.parametrize("ours", [[float("nan"), 2.0], [2.0, float("nan")], [2.0, float("inf")]])
def test_verdict_reports_that_a_side_diverged(ours):
    assert same_steps.verdict(ours, [2.0, 2.0]) == "a side diverged"


def test_anchor_priority_is_that_of_the_model_for_an_image_of_this_seed():
    """`ops.sampling` draws the anchors of highest priority first."""
    found = same_steps.anchor_priority(3, side=8)
    assert found.shape == (64,)
    state = np.zeros((1, 9), np.int32)  # all background
    drawn = np.asarray(sampling.sample_anchors(state, np.array([3]), total=4, positive_fraction=0.5))[0]
    assert sorted(np.flatnonzero(drawn == 0)) == sorted(np.argsort(-found[:9])[:4])


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
        for mask, box in zip(masks, objects.boxes.astype(int), strict=True):
            rows, columns = np.nonzero(mask)
            assert [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1] == box.tolist()


def test_main_compares_what_both_sides_return(tmp_path, monkeypatch, capsys):
    project = tiny.write_project(tmp_path / "project", train=2, val=1)
    out, called = tmp_path / "out", []

    def other_side(command, *, check):
        called.append(command)
        values = [losses(same_steps.LOSSES.values(), 1.0, 1.0, 1.0, 1.0, 1.0)]
        (out / f"{command[4]}.json").write_text(json.dumps(values))

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
    script = ["other/python", str(same_steps.SCRIPT), str(out), "--name"]
    assert called == [
        [*script, "torchvision", "--noise", "0.0"],
        [*script, "torchvision_again", "--noise", "1e-06"],
    ]
    settings = json.loads((out / same_steps.SETTINGS).read_text())
    assert (settings["classes"], settings["side"], settings["regions"]) == (3, 64, same_steps.REGIONS)
    first, second, *measured = capsys.readouterr().out.splitlines()[-5:]
    assert first.startswith("ours and torchvision: sums of losses differ by 0.20%")  # 5.01 / 5
    assert second.startswith(
        "torchvision and torchvision from weights changed by 1e-06: sums of losses differ by 0.00%"
    )
    ap = "box_ap {0}, box_ap50 {0}, mask_ap {0}, mask_ap50 {0}"
    assert measured == [
        f"ours: {ap.format('0.250')}",
        f"torchvision: {ap.format('0.500')}",
        f"torchvision_again: {ap.format('0.500')}",
    ]
