"""Which exported file of a model folder is used, on files of a few operators."""

import json

import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.inference import InferenceModelConfig
from mrcnn.config.input_size import InputSize
from mrcnn.config.tta import TtaConfig
from mrcnn.errors import UserError
from mrcnn.model_folder import checksum, read
from mrcnn.model_folder.read import StoredModel
from mrcnn.predict import beside
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.opening import Loading
from mrcnn.predict.predictor import Predictor

from . import one_dog


@pytest.fixture
def stored(tmp_path):
    """A model folder whose weights are a few bytes."""
    (tmp_path / "model.h5").write_bytes(b"weights")
    size = InputSize(min_dim=64, max_dim=64)
    return StoredModel(
        tmp_path, tmp_path / "model.h5", ("bg", "cat", "dog"), (), size, MatterportConfig(score_threshold=0.25)
    )


def write(stored, name="onnx", *, speed=None, verify=None, **changes):
    """Writes an exported file of the model into its folder."""
    folder = stored.path / "export" / name
    folder.mkdir(parents=True)
    settings = {**one_dog.SETTINGS, "weights": "float32", "made_of": checksum.of_model(stored), **changes}
    one_dog.write(folder / "model.onnx", settings=settings)
    (folder / "labels.json").write_text(json.dumps({"settings": settings}))
    times = {"ratio": 0.5, "device": "CPU", "live_seconds": 1.0, "exported_seconds": 0.5, **(speed or {})}
    (folder / "verify.json").write_text(json.dumps(verify or {"passed": True, "speed": times}))
    return folder / "model.onnx"


def opened(stored, runtime="auto", *, loading=None, **settings):
    """Opens what the runtime chooses; returns the file's name, None without one, and the lines of the log."""
    said, warned = [], []
    found = beside.open_beside(
        stored,
        InferenceModelConfig(runtime=runtime, **settings),
        loading or Loading(device="cpu"),
        say=said.append,
        warn=warned.append,
    )
    lines = [line.replace(str(stored.path), "M") for line in (*said, *warned)]
    assert len(lines) == 1
    assert bool(warned) == (found is None and runtime != "auto")
    return found and found.name.replace(str(stored.path), "M"), lines[0]


def test_open_beside_takes_the_fastest(stored):
    write(stored, "a", speed={"ratio": 0.8})
    write(stored, "b", speed={"ratio": 0.6})
    line = "runtime `auto`: the ONNX file M/export/b/model.onnx (0.60 of the live model's time when it was exported)"
    assert opened(stored) == ("M/export/b/model.onnx", line)
    assert opened(stored, "onnx")[0] == "M/export/b/model.onnx"


def test_open_beside_finds_a_file_without_a_folder_of_its_own(stored):
    write(stored, ".")
    assert opened(stored)[0] == "M/export/model.onnx"


def test_open_beside_without_a_file_says_where_it_looked(stored):
    text = "the Keras network runs, since there is no exported file of this runtime in M/export"
    assert opened(stored) == (None, f"runtime `auto`: {text}")
    assert opened(stored, "openvino") == (None, f"runtime `openvino`: {text}")
    write(stored)
    assert opened(stored, "litert")[0] is None  # it is of another kind


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"speed": {"ratio": 0.95}}, "took 0.95 of the live model's time when it was exported"),
        (
            {"speed": {"ratio": 1, "busy": True}},
            "exported, while other programs computed; export it again without them",
        ),
        ({"speed": {"device": "GPU"}}, "took inf of the live model's time"),
        ({"verify": {"passed": True}}, "was not measured beside the live model's time"),
        ({"weights": "int8"}, "has int8 weights, with which detections are not equal; name its runtime to use it"),
        ({"shape": "rectangle"}, "pads images to squares, the model does not"),
    ],
)
def test_open_beside_takes_of_its_own_only_what_is_equal_and_faster(stored, given, reason):
    write(stored, **given)
    name, line = opened(stored)
    assert name is None
    assert reason in line
    assert opened(stored, "onnx")[0] == "M/export/onnx/model.onnx"  # named, it is taken


def test_open_beside_names_what_differs_of_a_named_runtime(stored):
    write(stored, weights="int8")
    assert "(int8 weights, with which detections are not equal; 0.50 of" in opened(stored, "onnx")[1]
    write(stored, "z")
    assert opened(stored, "onnx")[0] == "M/export/z/model.onnx"  # float32 first


@pytest.mark.parametrize("runtime", ["auto", "onnx"])
def test_open_beside_never_takes_a_stale_file(stored, runtime):
    write(stored)
    stored.weights.write_bytes(b"other weights")
    name, line = opened(stored, runtime)
    assert name is None
    assert line.endswith("M/export/onnx/model.onnx was made of a model with other weights; export the model again")


@pytest.mark.parametrize("runtime", ["auto", "onnx"])
@pytest.mark.parametrize(
    ("made_of", "reason"), [({}, "other weights"), (None, "other weights"), ({"settings": "0"}, "other settings")]
)
def test_open_beside_never_takes_a_file_of_unknown_settings(stored, runtime, made_of, reason):
    write(stored, made_of={**checksum.of_model(stored), **made_of} if made_of else made_of)
    name, line = opened(stored, runtime)
    assert name is None
    assert reason in line


def test_open_beside_compares_the_file_itself_with_the_labels_beside_it(stored):
    path = write(stored)
    one_dog.write(path, settings={**one_dog.SETTINGS, "weights": "float32", "made_of": {"weights": "0"}})
    name, line = opened(stored)
    assert name is None
    assert "M/export/onnx/model.onnx was replaced without the labels.json beside it; export the model again" in line


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("labels.json", "{", "labels.json beside it cannot be read: Expecting"),
        ("labels.json", "[]", "labels.json beside it is not that of an export"),
        ("labels.json", "{}", "the file has no metadata of `mrcnn export`"),
        ("verify.json", None, "verify.json beside it cannot be read: "),
        ("verify.json", '{"passed": false}', "its verify.json has no passed proof; export the model again"),
    ],
)
def test_open_beside_says_what_is_damaged(stored, name, content, reason):
    path = write(stored).with_name(name)
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    found, line = opened(stored)
    assert found is None
    assert f"M/export/onnx/model.onnx: {reason}" in line


def test_open_beside_keeps_the_thresholds_of_the_model_folder(stored):
    write(stored, score_threshold=0.5)  # the model's own is 0.25, and the file lacks what scores less than 0.5
    name, line = opened(stored)
    assert name is None
    assert "has no objects that score less than 0.5, got the score threshold 0.25" in line
    assert opened(stored, min_confidence_threshold=0.6)[0] == "M/export/onnx/model.onnx"


def test_open_beside_leaves_what_a_file_cannot_follow_to_the_model(stored):
    write(stored)
    assert "`tta` is set, and the ONNX file" in opened(stored, tta=TtaConfig())[1]
    assert (
        "the precision of the ONNX file" in opened(stored, loading=Loading(precision="mixed_bfloat16", device="cpu"))[1]
    )
    found, _ = opened(stored, loading=Loading(("bg", "cat", "dog"), (64, 64), device="cpu"))  # of a lone weight file
    assert found


def test_open_beside_leaves_a_gpu_to_the_model(stored, monkeypatch):
    write(stored)
    monkeypatch.setattr(beside.devices, "has_gpu", lambda: True)
    assert opened(stored, loading=Loading()) == (None, "runtime `auto`: the Keras network runs on the GPU")
    assert opened(stored, "onnx", loading=Loading())[0] == "M/export/onnx/model.onnx"
    assert opened(stored)[0] == "M/export/onnx/model.onnx"  # --device cpu


def test_open_beside_names_the_missing_package(stored, monkeypatch):
    write(stored)
    monkeypatch.setattr("mrcnn.optional.missing", lambda extra: ["onnxruntime"])
    found, line = opened(stored)
    assert found is None
    assert "needs the package onnxruntime; install it by python -m pip install 'mrcnn[onnx-run]'" in line


def test_predictor_load_takes_the_file_of_the_runtime(stored, monkeypatch):
    write(stored)
    monkeypatch.setattr(read, "read_model", lambda *given, **named: stored)
    lines = []
    found = Predictor.load(stored.path, runtime="auto", device="cpu", warn=lines.append)
    assert isinstance(found, ExportedPredictor)
    assert found.facts.choices.score_threshold == 0.25
    assert lines[0].startswith("runtime `auto`: the ONNX file ")
    with pytest.raises(UserError, match=r"`model\.runtime` must be .*got \"tensorrt\""):
        Predictor.load(stored.path, runtime="tensorrt")


@pytest.mark.parametrize("ratio", [None, "fast", -1.0, [0.5]])
def test_open_beside_does_without_a_time_that_is_none(stored, ratio):
    write(stored, speed={"ratio": ratio})
    assert "took inf of the live model's time" in opened(stored)[1]
    assert opened(stored, "onnx")[0] == "M/export/onnx/model.onnx"
