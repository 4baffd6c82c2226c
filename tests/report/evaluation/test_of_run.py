"""The report at the end of a training, with a small fake model."""

from types import SimpleNamespace

import pytest

from mrcnn.config.load import load_train_config
from mrcnn.errors import UserError
from mrcnn.evaluate.run import Prepared
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.report.evaluation import of_run
from tests.predict import helpers
from tests.train.conftest import HeardLog


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A project of three images and a fake model; gives what was asked for to load it."""
    source = sources.open_project(helpers.write_scored_project(tmp_path))
    calls = []

    def prepare(model, data, **options):
        calls.append((model, data, options["loading"]))
        return Prepared(Predictor(helpers.make_bundle(score_threshold=0.05)), source, None, {})

    monkeypatch.setattr(of_run.scoring, "prepare", prepare)
    return SimpleNamespace(calls=calls, source=source)


def checked(names):
    config = load_train_config({"precision": "float32", "batch_size": {"val": 2}})
    samples = SimpleNamespace(val=[SimpleNamespace(name=name) for name in names])
    return SimpleNamespace(config=config, samples=samples)


def test_write_run_evaluates_the_best_model_on_the_validation_images(asked, tmp_path):
    log, output, data = HeardLog(), tmp_path / "run", tmp_path / "animals"
    chosen = asked.source.entries[1]
    of_run.write_run(checked([f"{chosen.dataset}/{chosen.name}"]), output, data=data, log=log)
    ((model, given, loading),) = asked.calls
    assert (model, given) == (output / "best", data)
    assert loading == {"score_threshold": 0.05, "precision": "float32", "tf32": None}
    page = (output / "report.html").read_text()
    assert "<dt>images</dt><dd>1</dd>" in page
    assert chosen.name in page
    assert f"report in {output / 'report.html'}" in log.messages


def test_write_run_that_fails_is_a_warning(asked, tmp_path, monkeypatch):
    def fail(*given, **options):
        raise UserError("no model")

    log = HeardLog()
    monkeypatch.setattr(of_run.scoring, "prepare", fail)
    of_run.write_run(checked([]), tmp_path, data=tmp_path, log=log)
    assert log.messages == [f"writing {tmp_path / 'report.html'} failed: no model; the run goes on without"]
    assert not (tmp_path / "report.html").exists()
