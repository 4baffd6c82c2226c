"""The harness sees what it looks for, and a seeded part of the fuzzing runs with the tests."""

import json
import time

import numpy as np
import pytest

from mrcnn.errors import UserError
from tests.fuzz import harness, mutations
from tests.fuzz.targets import TARGETS

TRIES = 30


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_are_read_or_refused_in_one_line(name):
    tally = harness.run({name: TARGETS[name]}, seed=1, seconds=60, tries=TRIES)[name]
    assert tally.failures == []
    assert tally.tries > 0


def run_once(target):
    tally = harness.Tally()
    harness.run_try(target, seed=0, name="x", number=0, tally=tally)
    return tally


def test_run_try_counts_refusals_and_failures():
    def refuses(rng):
        raise UserError("no")

    def breaks(rng):
        raise KeyError("size")

    assert run_once(refuses).refused == 1
    assert run_once(refuses).failures == []
    assert run_once(lambda rng: None).failures == []
    assert "KeyError: 'size'" in run_once(breaks).failures[0][1]


def test_run_try_sees_too_much_time(monkeypatch):
    monkeypatch.setattr(harness, "SECONDS", 0.05)
    assert "TooLong" in run_once(lambda rng: time.sleep(5)).failures[0][1]


def test_run_try_sees_too_much_memory(monkeypatch):
    monkeypatch.setattr(harness, "MEMORY_MB", 50)
    # 400 MB, freed again: far above the limit, since memory that the process holds already may be used first
    assert "TooLarge" in run_once(lambda rng: np.ones(400 * 2**17).sum()).failures[0][1]


def test_run_builds_the_same_input_again():
    seen = []
    harness.run({"x": lambda rng: seen.append(mutations.mutate_bytes(b"abcdef", rng))}, seed=3, seconds=9, tries=5)
    again = []
    harness.run({"x": lambda rng: again.append(mutations.mutate_bytes(b"abcdef", rng))}, seed=3, seconds=9, tries=5)
    assert seen == again
    assert len(set(seen)) > 1


def test_mutate_json_leaves_the_original_and_reaches_every_place():
    value = {"a": [1, {"b": "c"}]}
    rng = np.random.default_rng(0)
    damaged = [mutations.mutate_json(value, rng) for _ in range(300)]
    assert value == {"a": [1, {"b": "c"}]}
    texts = {json.dumps(item) for item in damaged}
    assert len(texts) > 100
    assert any(isinstance(item, dict) and "a" not in item for item in damaged)
    assert any(not isinstance(item, dict) for item in damaged)
