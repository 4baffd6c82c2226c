"""The predictor of ONNX files, on a file of a few operators that stands for an exported model."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mrcnn import optional
from mrcnn.errors import UserError
from mrcnn.predict.onnx_predictor import OnnxPredictor

from .one_dog import SETTINGS, write

pytest.importorskip("onnx")
WHITE = np.full((4, 6, 3), 255, np.uint8)


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "model.onnx")


def test_predict_returns_detections(file):
    predictor = OnnxPredictor.load(file)
    image = WHITE.copy()
    image[:, 2:] = 100
    first, second = predictor.predict([image, WHITE[:2]])
    assert predictor.class_names == ("bg", "cat", "dog")
    assert (first.class_names, first.class_ids.tolist(), first.scores.tolist()) == (("dog",), [2], [0.5])
    assert first.boxes.tolist() == [[0, 1, 2, 3]]
    assert first.masks.dtype == bool
    assert first.masks.tolist() == [[[True, True, False, False, False, False]] * 4]
    assert second.masks.shape == (1, 2, 6)
    assert (first.extras, first.maps) == ({}, {})
    assert predictor.predict([]) == []


def test_predict_reads_files_grey_and_alpha(file, tmp_path):
    Image.fromarray(WHITE).save(tmp_path / "white.png")
    images = [tmp_path / "white.png", Image.fromarray(WHITE), WHITE[..., 0], np.dstack([WHITE, WHITE[..., 0]])]
    found = OnnxPredictor.load(file, threads=1).predict(images, batch_size=2)
    assert [item.masks.sum() for item in found] == [24] * 4  # 4 x 6 pixels


def test_predict_converts_16_bits_by_the_range_of_the_model(tmp_path):
    Image.fromarray(np.full((4, 6), 600, np.uint16)).save(tmp_path / "grey.png")
    found = []
    for image_range in (1023, 4095):  # 600 becomes 600 * 255 / 1023 = 149.6, above the limit of 100, and 37.4
        file = write(tmp_path / f"{image_range}.onnx", settings={**SETTINGS, "image_range": image_range})
        found += OnnxPredictor.load(file).predict([tmp_path / "grey.png"])
    assert [item.masks.sum() for item in found] == [24, 0]


def test_predict_reads_folders_in_order(file, tmp_path):
    (tmp_path / "in").mkdir()
    for name, value in (("b.png", 0), ("a.png", 255)):
        Image.fromarray(np.full((4, 6, 3), value, np.uint8)).save(tmp_path / "in" / name)
    assert [item.masks.sum() for item in OnnxPredictor.load(file).predict(tmp_path / "in")] == [24, 0]
    with pytest.raises(ValueError, match="`allow_urls=True` downloads it"):
        OnnxPredictor.load(file).predict(["http://127.0.0.1:1/a.png"])


def test_predict_separates_maps_from_fields(tmp_path):
    settings = {**SETTINGS, "maps": ["semantic"]}
    file = write(tmp_path / "model.onnx", settings=settings, extra=("semantic", "keypoints"))
    (found,) = OnnxPredictor.load(file).predict([WHITE])
    assert found.maps["semantic"].shape == (4, 6)
    assert found.extras["keypoints"].tolist() == [[[0, 1, 2, 3]]]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (WHITE.astype(np.float32), "image 0: an image must be uint8 with values 0..255, got float32; convert it first"),
        (WHITE[..., :2], "image 0: the model takes images with 3 channels, got 2"),
        (WHITE[:0], r"image 0: an image must be \[height, width\] or \[height, width, channels\], got \[0, 6, 3\]"),
        (WHITE[None], r"image 0: an image must be \[height, width\] or .*, got \[1, 4, 6, 3\]"),
        ("missing.png", "image 0: .*missing.png"),
    ],
)
def test_predict_refuses_what_is_no_image(file, image, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        OnnxPredictor.load(file).predict([image])


def test_predict_refuses_a_single_image_and_no_batch(file):
    with pytest.raises(ValueError, match=r"`images` must be a list of images, .* got a single array"):
        OnnxPredictor.load(file).predict(WHITE)
    with pytest.raises(ValueError, match="`batch_size` must be at least 1, got 0"):
        OnnxPredictor.load(file).predict([WHITE], batch_size=0)


def load_error(path):
    with pytest.raises(UserError) as error:
        OnnxPredictor.load(path)
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(path), "FILE")


@pytest.mark.parametrize("data", [b"", b"no model", None])
def test_load_refuses_a_damaged_file(file, capfd, data):
    file.write_bytes(file.read_bytes()[:200] if data is None else data)
    assert load_error(file).startswith("FILE cannot be opened as an ONNX file, export it again: [ONNXRuntimeError]")
    assert capfd.readouterr().err == ""


def test_load_refuses_files_that_are_no_export(tmp_path):
    path = tmp_path / "model.onnx"
    assert load_error(path) == "there is no ONNX file FILE; `mrcnn export --format onnx` writes one"
    assert load_error(write(path, properties={})).startswith("FILE: the file has no metadata of `mrcnn export`; ")
    assert load_error(write(path, properties={"settings": "[", "labels": "{}"})).startswith("FILE: the file has no")
    assert load_error(write(path, settings={"format_version": 1})).startswith("FILE: the file has no metadata of")
    assert load_error(write(path, settings={**SETTINGS, "format_version": 2})) == (
        "FILE: the metadata has version 2, this program reads 1; export the model again"
    )


def test_load_names_what_installs_the_runtime(file, monkeypatch):
    monkeypatch.setitem(optional.EXTRAS, "onnx-run", ("no_such_package",))
    assert "needs the package no_such_package; install it by" in load_error(file)


def test_load_needs_numpy_opencv_pillow_and_onnxruntime_alone(file):
    code = f"""
import sys
import numpy as np
allowed = {{"numpy", "cv2", "PIL", "onnxruntime", "mrcnn"}} | sys.stdlib_module_names
class Refused:
    def find_spec(self, name, *rest):
        top = name.partition(".")[0]
        if top not in allowed and not top.startswith("_"):
            raise ModuleNotFoundError(f"{{name}} is not installed")
sys.meta_path.insert(0, Refused())
from mrcnn import OnnxPredictor
(found,) = OnnxPredictor.load({str(file)!r}).predict([np.full((4, 6, 3), 255, np.uint8)])
assert not {{"tensorflow", "keras", "pydantic", "rich"}} & set(sys.modules)
print(found.class_names)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "('dog',)\n"), done.stderr
