"""The command that prints AP; what it measures is tested in `tests/evaluate/test_run.py`."""

import argparse
import json
from pathlib import Path

import pytest

from mrcnn.commands import evaluate
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.model_folder import read
from tests.predict import helpers


@pytest.fixture
def project(tmp_path):
    return helpers.write_scored_project(tmp_path)


def test_command(project, tmp_path, monkeypatch, capsys):
    bundle, calls = helpers.make_bundle(), []
    asked = []
    stored = helpers.make_stored(tmp_path, bundle)
    monkeypatch.setattr(read, "read_model", lambda model, **arguments: asked.append((model, arguments)) or stored)
    monkeypatch.setattr(read, "load_model", lambda stored, **arguments: calls.append(arguments) or bundle)
    output = tmp_path / "new" / "metrics.json"
    args = ["--model", "m.h5", "--classes", "cat,dog", "--input-size", "64", "128"]
    args += ["--project", str(project), "--tag", "val", "--output", str(output)]
    evaluate.evaluate(evaluate.parse(args), JsonLog())
    assert asked == [(Path("m.h5"), {"classes": "cat,dog", "input_size": [64, 128]})]
    content = json.loads(output.read_text())
    assert content["score_threshold"] == calls[0]["score_threshold"] == 0.05
    assert content["mask_ap"] == 1.0
    assert content["mask_ap_large"] is None
    assert content["per_class"]["cat"]["box_ap_large"] is None
    assert capsys.readouterr().out.splitlines()[-1].startswith("all ")


def test_command_takes_the_mode_from_a_config(project, tmp_path, monkeypatch, capsys):
    bundle = helpers.make_bundle()
    monkeypatch.setattr(read, "read_model", lambda model, **arguments: helpers.make_stored(tmp_path, bundle))
    monkeypatch.setattr(read, "load_model", lambda stored, **arguments: bundle)
    config = tmp_path / "mode.json"
    mode = {"name": "sliding_window_det", "window": {"width": 12, "height": 12}, "join_iou_threshold": None}
    config.write_text(json.dumps({"model": {}, "mode": mode}))
    args = ["--model", "m", "--project", str(project), "--tag", "val", "--config", str(config)]
    evaluate.evaluate(evaluate.parse(args), JsonLog())
    # 20 x 30 pixels are 2 x 3 windows of 12, 40 x 24 are 4 x 2, and each is a cat
    assert next(line for line in capsys.readouterr().out.splitlines() if line.startswith("cat ")).split()[2] == "14"


def test_command_refuses_a_batch_of_none():
    with pytest.raises(UserError, match="batch size must be at least 1, got -1"):
        evaluate.evaluate(argparse.Namespace(batch_size=-1), JsonLog())
