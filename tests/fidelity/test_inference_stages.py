"""Detecting with Matterport's weights gives Matterport's numbers, at every stage."""

import pytest

from tests.fidelity.inference_stages import STAGES


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_stage(session, stage):
    assert [str(result) for result in stage(session) if not result.passed] == []
