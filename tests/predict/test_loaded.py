"""The predictor of a run, whatever the model; that all modes agree is tested in tests/test_exported_files.py."""

import pytest

from mrcnn.config.inference import InferenceModelConfig
from mrcnn.config.tta import TtaConfig
from mrcnn.errors import UserError
from mrcnn.predict import loaded
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.opening import Loading
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.tta.predictor import AugmentedPredictor
from tests.train.conftest import HeardLog

from . import helpers, one_dog
from .tta import networks


@pytest.fixture
def calls(monkeypatch):
    """The arguments of `read_model` and `load_for_inference`, in the place of files."""
    found = []
    network = networks.Halves(networks.shares((0, 0, 1, 1, 1, 0.9)), networks.constant([[1.0]]))
    monkeypatch.setattr(loaded.read, "read_model", lambda model, **given: found.append((model, given)) or "stored")
    monkeypatch.setattr(
        loaded.read,
        "load_for_inference",
        lambda stored, settings, **given: found.append((stored, given)) or helpers.make_bundle(network),
    )
    return found


def test_load_reads_a_model_folder_with_all_options(calls):
    loading = Loading("a,b", (64, 128), 0.3, "cpu", precision="auto", tf32=False)
    log = HeardLog()
    assert isinstance(loaded.load("runs/m", InferenceModelConfig(), loading, log=log), Predictor)
    del calls[1][1]["warn"]
    assert calls == [
        ("runs/m", {"classes": "a,b", "input_size": (64, 128)}),
        ("stored", {"score_threshold": 0.3, "device": "cpu", "precision": "auto", "tf32": False}),
    ]
    assert log.messages[0].startswith("precision: ")


def test_load_takes_what_is_read_already_and_augments(calls):
    log = HeardLog()
    settings = InferenceModelConfig(tta=TtaConfig())
    predictor = loaded.load("runs/m", settings, Loading(), log=log, stored="read before")
    assert isinstance(predictor, AugmentedPredictor)
    assert [stored for stored, _ in calls] == ["read before"]
    assert log.messages[0].startswith("test-time augmentation: ")


@pytest.mark.parametrize("found", ["a predictor", None])
def test_load_asks_for_a_file_of_the_runtime(calls, monkeypatch, found):
    asked = []
    monkeypatch.setattr(
        loaded.beside, "open_beside", lambda stored, settings, loading, **given: asked.append(stored) or found
    )
    for runtime, expected in (("live", []), ("auto", ["stored"])):
        predictor = loaded.load("runs/m", InferenceModelConfig(runtime=runtime), Loading(), log=HeardLog())
        assert asked == expected
    assert predictor == found if found else isinstance(predictor, Predictor)
    assert [stored for stored, _ in calls].count("stored") == (1 if found else 2)  # loads of the Keras network


def test_load_opens_an_exported_file(calls, tmp_path):
    file, log = one_dog.write(tmp_path / "model.onnx"), HeardLog()
    predictor = loaded.load(tmp_path, InferenceModelConfig(gpu_device=0), Loading(score_threshold=0.4), log=log)
    assert isinstance(predictor, ExportedPredictor)
    assert (predictor.name, predictor.facts.choices.score_threshold) == (str(file), 0.4)
    assert (calls, log.messages) == ([], ["`gpu_device` 0 has no effect: the ONNX file runs on the CPU"])
    with pytest.raises(UserError, match="`tta` is set"):
        loaded.load(file, InferenceModelConfig(tta=TtaConfig()), Loading(), log=log)
