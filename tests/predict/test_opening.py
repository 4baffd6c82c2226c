"""Exported files with the options of a run, on the file of a few operators."""

import pytest

from mrcnn.config.inference import InferenceModelConfig
from mrcnn.config.tta import TtaConfig
from mrcnn.errors import UserError
from mrcnn.predict import opening
from mrcnn.predict.opening import Loading

from . import one_dog


@pytest.fixture
def file(tmp_path):
    """A file whose score threshold is 0.25."""
    return one_dog.write(tmp_path / "model.onnx")


def test_open_exported_leaves_other_models_alone(tmp_path):
    assert opening.open_exported(tmp_path, Loading()) is None
    assert opening.open_exported("coco", Loading(classes="a,b", precision="auto")) is None


@pytest.mark.parametrize(
    ("given", "settings", "threshold"),
    [
        (None, {}, 0.25),
        (None, {"min_confidence_threshold": 0.2}, 0.25),  # it can only raise the file's own
        (None, {"min_confidence_threshold": 0.4}, 0.4),
        (None, {"score_floor": 0.3}, 0.3),
        (None, {"score_floor": 0.1, "min_confidence_threshold": 0.5}, 0.5),
        (0.6, {"min_confidence_threshold": 0.9}, 0.6),
    ],
)
def test_open_exported_combines_the_thresholds_as_for_a_model_folder(file, given, settings, threshold):
    found = opening.open_exported(file, Loading(score_threshold=given), settings=InferenceModelConfig(**settings))
    assert found.facts.choices.score_threshold == threshold


def refused(file, settings=None, **loading):
    with pytest.raises(UserError) as error:
        opening.open_exported(file, Loading(**loading), settings=settings)
    return str(error.value).replace(str(file), "FILE")


def test_open_exported_refuses_what_a_file_cannot_follow(file):
    folder = "leave it out, or give the model folder that it was made of"
    text = "the ONNX file FILE has its classes and input size: leave out --classes and --input-size"
    assert refused(file, classes="a,b") == refused(file, input_size=(64, 64)) == text
    text = f"the precision of the ONNX file FILE is float32, got 'mixed_bfloat16'; {folder}"
    assert refused(file, precision="mixed_bfloat16") == text
    text = f"`tta` is set, and the ONNX file FILE has no test-time augmentation; {folder}"
    assert refused(file, InferenceModelConfig(tta=TtaConfig())) == text
    text = f"`runtime` is litert, and the ONNX file FILE has one of its own; {folder}"
    assert refused(file, InferenceModelConfig(runtime="litert")) == text
    assert refused(file, device="0") == f"the ONNX file FILE runs on the CPU, got device '0'; {folder}"
    text = "FILE has no objects that score less than 0.25, got the score threshold 0.1; export the model again with "
    assert refused(file, score_threshold=0.1) == f"{text}--score-threshold 0.1"
    assert refused(file, InferenceModelConfig(score_floor=0.1)) == f"{text}--score-threshold 0.1"


def test_open_exported_follows_what_the_cpu_does_anyway(file):
    lines = []
    for runtime in ("auto", "onnx"):
        assert opening.open_exported(file, Loading(), settings=InferenceModelConfig(runtime=runtime)) is not None
    for loading in (Loading(device="cpu", precision="auto"), Loading(device="auto", tf32=False)):
        assert opening.open_exported(file, loading, warn=lines.append) is not None
    assert lines == []
    opening.open_exported(file, Loading(), settings=InferenceModelConfig(gpu_device=1), warn=lines.append)
    assert lines == ["`gpu_device` 1 has no effect: the ONNX file runs on the CPU"]
    opening.open_exported(file, Loading(device="cpu"), settings=InferenceModelConfig(gpu_device=1), warn=lines.append)
    assert len(lines) == 1


def test_open_exported_chooses_the_device_of_a_saved_model_before_it_opens_it(tmp_path, monkeypatch):
    (tmp_path / "saved_model.pb").touch()
    calls = []
    monkeypatch.setattr(opening.devices, "choose_device", lambda device, *, warn: calls.append(device))
    monkeypatch.setattr(opening.precisions, "choose_tf32", calls.append)
    for loading, settings in (
        (Loading(device="cpu", tf32=False), InferenceModelConfig(gpu_device=1)),
        (Loading(), InferenceModelConfig(gpu_device=0)),
        (Loading(), InferenceModelConfig()),
    ):
        with pytest.raises(UserError, match=r"has no labels\.json"):
            opening.open_exported(tmp_path, loading, settings=settings, unset_device="auto")
    with pytest.raises(UserError, match=r"has no labels\.json"):
        opening.open_exported(tmp_path, Loading())  # keeps what the process has
    assert calls == ["cpu", False, 0, None, "auto", None, None, None]
