"""A weight file of torchvision's code base as a user has it: a lone `.pth`, one command, pictures."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from mrcnn.export import run
from mrcnn.export.formats.table import FORMATS
from mrcnn.model_folder import read
from tests.export.formats.test_state_dict import make_bundle

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def state_dict(tmp_path_factory):
    """Writes a narrow torchvision model of random weights, whose widths are in the file alone; returns its path."""
    folder = tmp_path_factory.mktemp("model")
    narrow = {"fpn_channels": 32, "rpn_channels": 32, "box_fc_channels": 64}
    run.write(make_bundle("torchvision", detections_per_image=10, **narrow), folder, format=FORMATS["torchvision"])
    return folder / "model.pth"


@pytest.mark.slow
def test_a_lone_state_dict_finds_and_draws_objects_in_one_command(state_dict, tmp_path):
    (tmp_path / "photos").mkdir()
    image = skimage.data.coffee()[:200, :240]
    cv2.imwrite(str(tmp_path / "photos" / "coffee.png"), image[..., ::-1])
    command = [
        "infer", "--model", state_dict, "--classes", "cup,plate,spoon", "--input-size", 128, 160,
        "--images", tmp_path / "photos", "--output", tmp_path / "found", "--overlay", "--score-threshold", 0,
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "mrcnn", *map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "does not contain the epsilon of its batch norms: 1e-05 is assumed" in " ".join(done.stderr.split())
    found = json.loads((tmp_path / "found" / "predictions.json").read_text())
    assert len(found["annotations"] if isinstance(found, dict) else found) >= 1
    drawn = cv2.imread(str(next((tmp_path / "found" / "overlay").rglob("*.png"))))[..., ::-1]
    large = cv2.resize(image, drawn.shape[1::-1], interpolation=cv2.INTER_CUBIC)  # small pictures are enlarged
    assert np.abs(drawn.astype(int) - large).max() > 100


@pytest.mark.slow
def test_a_model_folder_without_its_mask_head_detects_boxes(state_dict, tmp_path):
    weights = tmp_path / "boxes" / "model_weights"
    weights.mkdir(parents=True)
    (weights / "model.pth").symlink_to(state_dict)
    narrow = {"fpn_channels": 32, "rpn_channels": 32, "box_fc_channels": 64}
    config = {
        "classes": [],
        "class_title_to_idx": {"bg": 0, "cup": 1, "plate": 2, "spoon": 3},
        "settings": {"input_size": {"min_dim": 128, "max_dim": 160, "shape": "rectangle"}},
        "model": {"family": "torchvision", "heads": [], **narrow},
    }
    (tmp_path / "boxes" / "config.json").write_text(json.dumps(config))
    bundle = read.load_model(read.read_model(tmp_path / "boxes"))
    assert [head.name for head in bundle.model.heads] == []
    assert not bundle.config.has_masks
