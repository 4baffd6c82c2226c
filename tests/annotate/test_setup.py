"""What a run of inference is made of."""

from pathlib import Path

import pytest

from mrcnn.annotate import setup
from mrcnn.annotate.setup import Options
from mrcnn.config.load import load_inference_config
from mrcnn.errors import UserError
from mrcnn.model_folder import read
from mrcnn.predict import live
from mrcnn.predict.predictor import Predictor
from tests.predict import helpers
from tests.train.conftest import HeardLog


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2"])
def test_batch_sizes_that_are_none_are_refused(wrong):
    with pytest.raises(UserError, match="batch size must be"):
        Options(batch_size=wrong)


def test_a_given_batch_size_is_taken(monkeypatch):
    log = HeardLog()
    assert setup.batch_size_of(Predictor(helpers.make_bundle()), 3, options=Options(batch_size=5), log=log) == 5
    assert log.messages == []
    monkeypatch.setattr(setup.batch_size, "choose", lambda predictor, *, regions: regions)
    assert setup.batch_size_of(Predictor(helpers.make_bundle()), 3, options=Options(batch_size="auto"), log=log) == 3
    assert log.messages == ["batch size 3, chosen by measurement"]


def test_naming_of_follows_the_mode_and_the_model():
    config = load_inference_config({"mode": {"model_classes": {"save_classes": ["dog"], "add_suffix": "_x"}}})
    naming = setup.naming_of(live.facts_of(helpers.make_bundle()), {}, config)
    assert naming.titles == {"dog": "dog_x"}
    assert naming.semantic is None


def test_open_predictor_passes_the_options_on_and_logs_the_precision(monkeypatch):
    given = {}

    def load(stored, config, **arguments):
        given.update(arguments, stored=stored)
        return helpers.make_bundle()

    monkeypatch.setattr(read, "load_for_inference", load)
    options, config = Options(score_threshold=0.25, device="cpu", precision="float32", tf32=False), {}
    stored = helpers.make_stored(Path("m"), helpers.make_bundle())
    predictor = setup.open_predictor("m", load_inference_config(config), options=options, log=HeardLog(), stored=stored)
    assert isinstance(predictor, Predictor)
    del given["warn"]
    expected = {"score_threshold": 0.25, "device": "cpu", "precision": "float32", "tf32": False}
    assert given == {**expected, "stored": stored}
