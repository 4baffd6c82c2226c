"""The comparisons with torchvision catch the mistakes they are there for."""

import pytest

from tests.fidelity.torch_faults import FAULTS, noticing, wrong_session
from tests.fidelity.torch_recipe import MODELS
from tests.fidelity.torch_session import write_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    paths = {model: write_weights(model, folder) for model in MODELS}
    yield paths
    for path in paths.values():  # 178 MB each, which pytest would keep for three runs
        path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_first_stage_that_a_fault_reaches_notices_it(weights, fault):
    with wrong_session(fault, weights) as wrong:
        assert next(noticing(wrong), None) is fault.noticed_by
