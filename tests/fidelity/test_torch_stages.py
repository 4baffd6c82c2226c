"""Every comparison with torchvision is within its gate; what needs a pass over the photograph of 800 x 1216 is slow."""

import numpy as np
import pytest

from tests.fidelity import torch_gates, torch_recipe, torch_stages
from tests.fidelity.torch_gates import Found
from tests.fidelity.torch_session import open_session, write_weights


@pytest.fixture(scope="module", params=torch_recipe.MODELS)
def session(request, tmp_path_factory):
    path = write_weights(request.param, tmp_path_factory.mktemp("weights"))
    yield open_session(request.param, path)
    path.unlink()  # 178 MB, which pytest would keep for three runs


@pytest.mark.parametrize("stage", torch_stages.STORED, ids=lambda stage: stage.__name__)
def test_a_stage_on_stored_inputs_is_torchvisions(session, stage):
    assert [str(result) for result in stage(session) if not result.passed] == []


@pytest.mark.slow
@pytest.mark.parametrize("stage", torch_stages.FROM_THE_IMAGE, ids=lambda stage: stage.__name__)
def test_a_stage_from_the_image_on_is_torchvisions(session, stage):
    assert [str(result) for result in stage(session) if not result.passed] == []


def test_detections_are_compared_whatever_their_order():
    boxes = np.array([[0.0, 0, 9, 9], [20, 20, 40, 40], [20, 20, 40, 40.2]])
    expected = Found(boxes, np.array([1, 2, 2]), np.array([0.9, 0.8, 0.7]))
    order = [2, 0, 1]
    got = Found(boxes[order] + 0.01, expected.class_ids[order], expected.scores[order] - 0.001)
    assert torch_gates.matched(got, expected) == [(1, 0), (2, 1), (0, 2)]
    assert all(result.passed for result in torch_gates.detections(got, expected))


@pytest.mark.parametrize(
    ("field", "value", "failing"),
    [
        ("class_ids", [1, 3], ["detections of the same class and place"]),
        ("scores", [0.9, 0.79], ["scores"]),
        ("boxes", [[0.0, 0, 9, 9.1], [20, 20, 40, 40]], ["boxes"]),
        ("boxes", [[0.0, 0, 9, 9], [20, 20, 40, 41]], ["detections of the same class and place"]),
        ("masks", [[[True, False]], [[True, False]]], ["masks"]),
    ],
)
def test_detections_notice_one_that_differs(field, value, failing):
    expected = Found(
        np.array([[0.0, 0, 9, 9], [20, 20, 40, 40]]), np.array([1, 2]), np.array([0.9, 0.8]), np.ones((2, 1, 2), bool)
    )
    got = expected._replace(**{field: np.array(value)})
    assert [result.what for result in torch_gates.detections(got, expected) if not result.passed] == failing


def test_detections_notice_a_missing_one():
    expected = Found(np.zeros((1, 4)), np.array([1]), np.array([0.9]))
    nothing = Found(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
    failing = [result.what for result in torch_gates.detections(nothing, expected) if not result.passed]
    assert failing == ["number", "detections of the same class and place"]
