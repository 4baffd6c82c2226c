"""A run that one back end started goes on with another, close to an uninterrupted one, and its log says so."""

import functools

import numpy as np
import pytest

from tests.backends import environments
from tests.train import tiny
from tests.train.runs import contents

NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
PAIRS = [
    pytest.param(first, then, marks=[*environments.named(first).marks, *environments.named(then).marks])
    for first, then in (("tensorflow", "jax"), ("tensorflow", "torch"), ("jax", "tensorflow"), ("torch", "tensorflow"))
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return tiny.write_project(tmp_path_factory.mktemp("data") / "project", train=6, val=3)


@pytest.fixture(scope="module")
def whole(project, tmp_path_factory):
    """Trains without a stop; Keras draws other start weights with each back end, so there is a run for each."""

    @functools.cache
    def of(backend):
        output = tmp_path_factory.mktemp("whole") / backend
        environments.run(backend, "run", "whole", project, output)
        return contents(output)

    return of


@pytest.mark.parametrize(("first", "then"), PAIRS)
def test_a_run_goes_on_with_another_back_end(project, whole, tmp_path, first, then):
    output = tmp_path / "run"
    assert "goes on with" not in environments.run(first, "run", "stop", project, output)
    said = environments.run(then, "run", "resume", project, output)
    assert f"the run was started on {NAMES[first]} and goes on with {NAMES[then]}: its results are no longer" in said
    name, weights, state, rows = contents(output)
    expected_name, expected_weights, expected_state, expected_rows = whole(first)
    assert (name, len(rows)) == (expected_name, len(expected_rows))
    assert state.back_ends == (NAMES[first], NAMES[then])
    for key, value in expected_weights.items():
        np.testing.assert_allclose(weights[key], value, rtol=1e-3, atol=1e-6, err_msg=key)
    for group in ("optimizer", "weights"):  # the optimizer's have its count of steps and both moments of Adam
        for value, wanted in zip(getattr(state, group), getattr(expected_state, group), strict=True):
            np.testing.assert_allclose(value, wanted, rtol=1e-3, atol=1e-6)
    for row, wanted in zip(rows, expected_rows, strict=True):
        assert row.keys() == wanted.keys()
        assert float(row["val_loss"]) == pytest.approx(float(wanted["val_loss"]), rel=1e-3)
        assert float(row["loss"]) == pytest.approx(float(wanted["loss"]), rel=1e-3)
