"""The comparisons catch the mistakes they are there for."""

import pytest

from tests.fidelity import inference_stages, training_stages
from tests.fidelity.faults import FAULTS, noticing, wrong_session


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_first_stage_that_a_fault_reaches_notices_it(session, weights_file, fault):
    stages = next(part.STAGES for part in (inference_stages, training_stages) if fault.noticed_by in part.STAGES)
    with wrong_session(fault, session, weights_file) as wrong:
        assert next(noticing(wrong, stages), None) is fault.noticed_by
