"""Models of OpenVINO, on a graph of a few operators that stands for an exported model."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mrcnn import optional
from mrcnn.errors import UserError
from mrcnn.predict import pasted
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.runtimes import openvino as runtime

ov = pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
SETTINGS = {
    "format_version": 1, "class_names": ["bg", "cat", "dog"], "channels": 3, "image_range": None, "maps": [],
    "min_dim": 64, "max_dim": 64, "score_threshold": 0.3, "mask_threshold": 0.5, "detections_per_image": 100,
    "detection_nms_iou_threshold": 0.3, "mask_paste": "bilinear",
}  # fmt: skip
WHITE = np.full((4, 6, 3), 255, np.uint8)


def write(path, *, properties=None):
    """Writes a model that finds one dog in the same 2 x 2 pixels of every image; its mask is the first value of red."""
    make = ov.opset8
    image = make.parameter([-1, -1, 3], np.uint8, name="image")
    image.output(0).set_names({"image"})
    pixel = make.gather(make.gather(image, make.constant([0]), make.constant(0)), make.constant([0]), make.constant(1))
    red = make.gather(pixel, make.constant([0]), make.constant(2))  # [1, 1, 1], of the first pixel
    results = {
        "boxes": make.constant(np.float32([[0, 1, 2, 3]])), "class_ids": make.constant(np.int32([2])),
        "probabilities": make.divide(make.convert(red, "f32"), np.float32(255)),
        "scores": make.constant(np.float32([0.5])),
    }  # fmt: skip
    for name, node in results.items():
        node.output(0).set_names({name})
    model = ov.Model(list(results.values()), [image], "one_dog")
    if properties is None:
        properties = {"settings": json.dumps(SETTINGS), "labels": json.dumps({"title": 'Käse "<&>"'})}
    for name, text in properties.items():
        model.set_rt_info(text, [runtime.INFO, name])
    ov.save_model(model, str(path), compress_to_fp16=False)
    return path


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "model.xml")


def test_open_file_computes_the_outputs_that_are_asked_for(file):
    opened = runtime.open_file(file, threads=1)
    assert set(opened.outputs) == {"boxes", "class_ids", "masks", "probabilities", "scores"}
    assert opened.files == (file, file.with_name("model.bin"))
    assert json.loads(opened.properties["settings"]) == SETTINGS
    assert json.loads(opened.properties["labels"]) == {"title": 'Käse "<&>"'}
    found = opened.run(WHITE, ["masks", "probabilities"])
    assert set(found) == {"masks", "probabilities"}
    dog = [[[0, 1, 1, 0, 0, 0]] * 2 + [[0] * 6] * 2]
    assert pasted.dense(found, (4, 6))["masks"].tolist() == dog
    assert opened.mask_bits == 1
    # 102 / 255 = 0.4 is below the threshold of 0.5: the mask is empty, and the object is dropped
    assert opened.run(WHITE // 5 * 2, ["masks", "scores"])["masks"] == ()
    assert found["probabilities"].tolist() == [[[1.0]]]  # a later image does not change it


def test_open_file_computes_in_float32_unless_asked(file, monkeypatch):
    wanted = []
    compile_model = ov.Core.compile_model

    def compiled(core, model, device, properties):
        wanted.append(properties)
        return compile_model(core, model, device, properties)

    monkeypatch.setattr(ov.Core, "compile_model", compiled)
    runtime.open_file(file)
    runtime.open_file(file, threads=2, precision="bf16")
    assert wanted == [
        {"INFERENCE_PRECISION_HINT": "f32"}, {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": 2}
    ]  # fmt: skip


def test_run_may_be_called_by_several_threads(file):
    opened = runtime.open_file(file)
    values = range(256)

    def found(value):
        return len(opened.run(np.full((3, 4, 3), value, np.uint8), ["scores"])["scores"])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(found, values)) == [int(value >= 128) for value in values]


def test_a_predictor_opens_the_folder(file):
    predictor = ExportedPredictor.load(file.parent)
    (found,) = predictor.predict([WHITE])
    assert (found.class_names, found.scores.tolist(), found.masks.sum()) == (("dog",), [0.5], 4)
    with pytest.raises(ValueError, match=r"^image 0: the model takes images with 3 channels, got 2"):
        predictor.predict([WHITE[..., :2]])
    with pytest.raises(ValueError, match=r"^image 0: an image must be uint8 .*, got float32"):
        predictor.predict([WHITE.astype(np.float32)])
    with pytest.raises(ValueError, match=r"^image 0: an image must be .*, got \[0, 6, 3\]"):
        predictor.predict([WHITE[:0]])


def load_error(path):
    with pytest.raises(UserError) as error:
        ExportedPredictor.load(path)
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(path), "FILE")


@pytest.mark.parametrize(
    ("ending", "data"), [(".xml", b""), (".xml", b"no model"), (".xml", None), (".bin", b""), (".bin", None)]
)
def test_open_file_refuses_damaged_files(file, capfd, ending, data):
    damaged = file.with_suffix(ending)
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2] if data is None else data)
    message = load_error(file)
    assert message.startswith("FILE cannot be opened as an OpenVINO model, export it again: ")
    assert "src/" not in message
    assert capfd.readouterr().err == ""


def test_open_file_refuses_what_is_no_export(file):
    file.with_suffix(".bin").unlink()
    assert load_error(file).startswith("FILE cannot be opened as an OpenVINO model, export it again: ")
    assert load_error(write(file, properties={})).startswith("FILE: the file has no metadata of `mrcnn export`; ")
    file.unlink()
    assert load_error(file) == "there is no OpenVINO model FILE; `mrcnn export --format openvino` writes one"


def test_open_file_names_what_installs_the_runtime(file, monkeypatch):
    monkeypatch.setitem(optional.EXTRAS, "openvino-run", ("no_such_package",))
    assert "needs the package no_such_package; install it by" in load_error(file)


def test_reason_leaves_out_places_in_the_source():
    text = "Exception from src/core/a.cpp:97:\nCheck 'x' failed at src/b.cpp:3:\nUnable to read the model\n"
    assert runtime.reason(RuntimeError(text)) == "Unable to read the model"
    assert runtime.reason(RuntimeError("Check 'a' failed")) == "Check 'a' failed"
    text = "FrontEnd API failed:\nSummary:\n-- No conversion rule found for operations: AsString\n"
    assert runtime.reason(RuntimeError(text)) == "No conversion rule found for operations: AsString"


def test_open_file_starts_no_tensorflow(file):
    code = f"""
import sys
import numpy as np
from mrcnn.predict import pasted
from mrcnn.predict.exported import ExportedPredictor
(found,) = ExportedPredictor.load({str(file)!r}).predict([np.full((4, 6, 3), 255, np.uint8)])
assert not {{"tensorflow", "keras", "pydantic", "rich"}} & set(sys.modules)
print(found.class_names)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "('dog',)\n"), done.stderr
