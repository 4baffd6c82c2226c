"""Checksums of a stored model: another for all that changes its detections, the same for the score threshold."""

import hashlib
from dataclasses import replace

import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.input_size import InputSize
from mrcnn.model_folder import checksum
from mrcnn.model_folder.read import StoredModel


@pytest.fixture
def stored(tmp_path):
    (tmp_path / "model.h5").write_bytes(b"weights")
    size = InputSize(min_dim=64, max_dim=128)
    return StoredModel(tmp_path, tmp_path / "model.h5", ("bg", "cat"), (), size, MatterportConfig())


def test_of_model_reads_the_bytes_of_the_weights(stored):
    before = checksum.of_model(stored)
    assert before["weights"] == hashlib.sha256(b"weights").hexdigest()
    stored.weights.write_bytes(b"weight5")
    after = checksum.of_model(stored)
    assert (after["weights"] != before["weights"], after["settings"]) == (True, before["settings"])


@pytest.mark.parametrize(
    "changes",
    [
        {"class_names": ("bg", "dog")},
        {"input_size": InputSize(min_dim=64, max_dim=192)},
        {"input_size": InputSize(min_dim=64, max_dim=128, shape="rectangle")},
        {"config": MatterportConfig(mask_threshold=0.4)},
        {"config": MatterportConfig(detection_nms_iou_threshold=0.4)},
    ],
)
def test_of_model_changes_with_the_settings(stored, changes):
    assert checksum.of_model(replace(stored, **changes))["settings"] != checksum.of_model(stored)["settings"]


def test_of_model_stays_with_other_score_thresholds_and_places(stored):
    other = replace(stored, config=MatterportConfig(score_threshold=0.1), warnings=("a",), path=stored.path / "b")
    same = replace(other, input_size=InputSize(min_dim=64, max_dim=128, shape="square"))
    assert checksum.of_model(other) == checksum.of_model(same) == checksum.of_model(stored)


def test_of_model_needs_the_weights(stored):
    stored.weights.unlink()
    with pytest.raises(FileNotFoundError):
        checksum.of_model(stored)
