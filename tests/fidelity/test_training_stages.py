"""Training from Matterport's weights gives Matterport's targets, losses and gradients."""

import pytest

from tests.fidelity.training_stages import STAGES


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_stage(session, stage):
    assert [str(result) for result in stage(session) if not result.passed] == []
