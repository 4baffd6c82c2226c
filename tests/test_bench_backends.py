"""The back ends take turns, and the table has the median of each."""

import json
import sys
from io import StringIO

import numpy as np
import pytest

from benchmarks import backends, backends_work

ANSWERS = """
import json, os, sys
names = ["tensorflow", "jax"]
place = names.index(os.environ["KERAS_BACKEND"])
print(json.dumps({"ready": 1.5, "found": 7}), flush=True)
for number, _ in enumerate(sys.stdin):
    print(json.dumps({"seconds": [3, 1, 2][number] + 10 * place, "peak_gb": number}), flush=True)
"""


def test_in_turn_collects_the_calls_of_each_process():
    commands = {name: [sys.executable, "-c", ANSWERS] for name in ("tensorflow", "jax")}
    found = backends.in_turn(commands, rounds=3)
    assert found["tensorflow"] == {"ready": 1.5, "found": 7, "seconds": [3, 1, 2], "peak_gb": 2}
    assert found["jax"]["seconds"] == [13, 11, 12]
    rows = backends.table(found).splitlines()
    assert rows[0] == "| back end | s a prediction | s until ready | peak GB | objects |"
    head = backends.table(found, call="step", clock="processor").splitlines()[0]
    assert head == "| back end | processor s a step | s until ready | peak GB | loss |"
    assert rows[2] == "| tensorflow | 2.00 (1.00-3.00) | 1.5 | 2.00 | 7 |"
    assert rows[3].startswith("| jax | 12.00 (11.00-13.00) |")


def test_in_turn_says_which_process_ended():
    with pytest.raises(ValueError, match="the process of jax ended"):
        backends.in_turn({"jax": [sys.executable, "-c", "pass"]}, rounds=1)


def test_answer_times_a_call_for_each_line(capsys):
    calls = []

    def call():
        calls.append(1)
        return len(calls)

    backends_work.answer(call, StringIO("\n\n"), start=0.0)
    first, *timed = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["found"] == 2  # of the second call
    assert len(calls) == 4
    assert [sorted(one) for one in timed] == [["peak_gb", "seconds"]] * 2


def test_answer_measures_by_the_given_clock(capsys):
    now = iter((10.0, 10.5, 20.0, 21.0))
    backends_work.answer(lambda: 1.5, StringIO("\n\n"), start=0.0, clock=lambda: next(now))
    assert [json.loads(line)["seconds"] for line in capsys.readouterr().out.splitlines()[1:]] == [0.5, 1.0]


def test_training_batch_has_its_objects_inside_the_window():
    images, windows = np.zeros((1, 64, 128, 3), np.float32), np.float32([[0, 16, 60, 112]])
    fields = backends_work.training_batch(images, windows)
    boxes = fields["gt_boxes"][0]
    assert boxes.shape == (backends_work.OBJECTS, 4)
    assert (boxes[:, :2] >= [0, 16]).all()
    assert (boxes[:, 2:] <= [60, 112]).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= [5.9, 9.5]).all()  # a tenth of the window's sides
    assert fields["gt_class_ids"].min() >= 1


def test_scene_has_squares_of_32_pixels():
    scene = backends_work.scene(40, 70)
    assert scene.shape == (40, 70, 3)
    assert (scene[:32, :32] == scene[0, 0]).all()
    assert (scene[0, 32] != scene[0, 0]).any()


def test_parse_refuses_no_rounds():
    with pytest.raises(SystemExit):
        backends.parse(["--rounds", "0"])
