"""What a run of inference is made of."""

import pytest

from mrcnn.annotate import setup
from mrcnn.annotate.setup import Options
from mrcnn.config.load import load_inference_config
from mrcnn.errors import UserError
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
        given.update(arguments)
        return helpers.make_bundle()

    monkeypatch.setattr(setup.read, "load_for_inference", load)
    options = Options(score_threshold=0.25, device="cpu", precision="float32", tf32=False)
    predictor = setup.open_predictor(None, load_inference_config({}), options=options, log=HeardLog())
    assert isinstance(predictor, Predictor)
    del given["warn"]
    assert given == {"score_threshold": 0.25, "device": "cpu", "precision": "float32", "tf32": False}
