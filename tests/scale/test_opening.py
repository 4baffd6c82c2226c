"""The predictor of a job: with the settings and options of the plain command."""

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from mrcnn.errors import UserError
from mrcnn.predict import loaded
from mrcnn.scale import opening
from mrcnn.scale.job import Work
from mrcnn.scale.worker import Lines
from tests.predict import helpers


def test_open_predictor_passes_all_on(monkeypatch):
    calls = []
    monkeypatch.setattr(
        loaded, "load", lambda model, settings, loading, *, log: calls.append((model, settings, loading))
    )
    loading = {"classes": "a,b", "input_size": [64, 128], "score_threshold": 0.25, "device": "cpu",
               "precision": "auto", "tf32": False}  # fmt: skip
    opening.open_predictor(Work("o", "m", loading, {"model": {"score_floor": 0.125}}), Lines())
    [(model, settings, given)] = calls
    assert (model, settings.score_floor) == ("m", 0.125)
    assert {name: getattr(given, name) for name in loading} == loading


def test_open_predictor_names_a_missing_model(tmp_path):
    with pytest.raises(UserError, match="none does not exist"):
        opening.open_predictor(Work("o", str(tmp_path / "none")), Lines())


def test_settings_of_fields_of_a_model_without_fields():
    class Plain:
        fields, bundle = {}, helpers.make_bundle()

    assert opening.settings_of_fields(Plain()) == {}


def test_settings_of_fields_of_models_and_exports():
    settings = {"names": ["nose"], "pairs": []}

    class Record:
        def model_dump(self, mode):
            return {"keypoints": settings, "other": 1}

    class Bundle:
        config = Record()

    class Exported:
        field_settings = {"keypoints": settings}  # noqa: RUF012

    class Live:
        fields, bundle = {"keypoints": None}, Bundle()

    class File:
        fields, exported = {"keypoints": None}, Exported()

    assert opening.settings_of_fields(Live()) == opening.settings_of_fields(File()) == {"keypoints": settings}
