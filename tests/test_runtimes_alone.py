"""Exported files in environments that have one runtime alone; `make export-test` makes them."""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mrcnn.export import run as exporting
from mrcnn.export.formats import litert_weights, table
from mrcnn.export.precision import Tolerances
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.runtimes import table as runtimes
from tests.export.helpers import photo
from tests.predict import helpers

ROOT = Path(__file__).parents[1]
RUNTIMES = os.environ.get("MRCNN_RUNTIMES")  # folder of the environments, one for each format
THRESHOLD = 0.25
TOLERANCES = Tolerances()
PACKAGES = {
    "onnx": ["onnxruntime"],
    "openvino": ["openvino"],
    "litert": ["ai_edge_litert", "pydantic", "skimage"],
    "saved_model": ["tensorflow", "keras"],
}
BAD = {
    "bad_dtype": (np.zeros((4, 6, 3), np.float32), "image 0: an image must be uint8 with values 0..255, got float32"),
    "bad_channels": (np.zeros((4, 6, 2), np.uint8), "image 0: the model takes images with 3 channels, got 2"),
    "bad_size": (np.zeros((0, 6, 3), np.uint8), "image 0: an image must be [height, width] or"),
}
TITLES = {kind.format: kind.title for kind in runtimes.KINDS}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(RUNTIMES is None, reason="needs environments of one runtime each: make export-test"),
]


@pytest.fixture(scope="module")
def live():
    return Predictor(helpers.make_bundle(helpers.Thresholded(THRESHOLD), score_threshold=THRESHOLD))


@pytest.fixture(scope="module")
def images():
    sizes = {"photo": (50, 40), "pixel": (1, 1), "wide": (30, 200), "large": (300, 301)}
    return {name: np.maximum(photo(*size), 100) for name, size in sizes.items()}


@pytest.fixture(scope="module", params=sorted(PACKAGES))
def answers(request, live, images, tmp_path_factory):
    """What the Python of a runtime found; the broken files are named after what they must be refused for."""
    format = request.param
    kind = next(kind for kind in runtimes.KINDS if kind.format == format)
    folder = tmp_path_factory.mktemp(format) / "1"
    exporting.write(live.bundle, folder, format=table.find(format))
    broken = {name: change(folder, kind.file) for name, change in BROKEN.items()}
    np.savez(folder / "images.npz", **images, **{name: image for name, (image, _) in BAD.items()})
    cases = {
        "model": str(folder / kind.file),
        "images": str(folder / "images.npz"),
        "broken": [*map(str, broken.values()), str(folder / "none" / kind.file)],
    }
    (folder / "cases.json").write_text(json.dumps(cases))
    python = Path(RUNTIMES, format, "bin", "python")
    command = [python, ROOT / "tests" / "runtime_alone.py", folder / "cases.json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    for name, path in {**broken, "absent": folder / "none" / kind.file}.items():
        found["errors"][name] = found["errors"].pop(str(path))
    return format, found


def test_the_environment_has_one_runtime_alone(answers):
    format, found = answers
    assert set(found["installed"]) == set(PACKAGES[format])
    if format != "saved_model":  # which imports Keras by itself
        assert set(found["imported"]) == set(PACKAGES[format])


def test_predict_finds_what_the_live_model_finds(answers, live, images):
    for name, image in images.items():
        found = answers[1]["found"][name]
        [expected] = live.predict([image])
        assert found["class_names"] == list(expected.class_names)
        assert len(expected.scores) >= 1
        np.testing.assert_allclose(found["boxes"], expected.boxes, atol=TOLERANCES.box_px)
        np.testing.assert_allclose(found["scores"], expected.scores, atol=TOLERANCES.score)
        assert found["shape"] == list(expected.masks.shape)
        for ours, theirs in zip(found["masks"], expected.masks, strict=True):
            differing = np.unpackbits(np.array(ours, np.uint8) ^ np.packbits(theirs)).sum()
            assert differing <= TOLERANCES.mask_pixels


@pytest.mark.parametrize("name", BAD)
def test_predict_names_what_is_no_image(answers, name):
    kind, text = answers[1]["errors"][name]
    assert kind == "ValueError"
    assert text.startswith(BAD[name][1])


def copied(folder, name):
    target = folder.parent / name
    shutil.copytree(folder, target)
    return target


def without_head(folder, file):
    path = copied(folder, "without_head") / file
    path.write_bytes(bytes(64) + path.read_bytes()[64:])
    return path


def cut(folder, file):
    path = copied(folder, "cut") / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def empty(folder, file):
    path = copied(folder, "empty") / file
    path.write_bytes(b"")
    return path


def with_version(folder, file, version):
    """Changes the version of the metadata, a digit."""
    path = copied(folder, f"version{version}") / file
    if path.suffix == ".tflite":
        with zipfile.ZipFile(path) as archive:
            texts = {name: archive.read(name).decode() for name in archive.namelist()}
            network = path.read_bytes()[: min(item.header_offset for item in archive.infolist())]
        path.write_bytes(network)
        texts["settings"] = texts["settings"].replace('"format_version": 1', f'"format_version": {version}')
        litert_weights.append_metadata(path, texts)
        return path
    place = path.with_name("labels.json") if path.suffix == ".pb" else path
    content, digit = place.read_bytes(), str(version).encode()
    for quote in (b'"', b"&quot;"):
        content = content.replace(b"format_version" + quote + b": 1", b"format_version" + quote + b": " + digit)
    place.write_bytes(content)
    return path


BROKEN = {
    "without_head": without_head,
    "cut": cut,
    "empty": empty,
    "newer": lambda folder, file: with_version(folder, file, 9),
    "older": lambda folder, file: with_version(folder, file, 0),
}


@pytest.mark.parametrize("name", [*BROKEN, "absent"])
def test_load_names_a_broken_file_in_one_line(answers, name):
    format, found = answers
    kind, text = found["errors"][name]
    assert kind == "UserError"
    assert "\n" not in text
    assert len(text) < 700
    expected = {
        "newer": "the metadata has version 9, this program reads 1; export the model again",
        "older": "the metadata has version 0, this program reads 1; export the model again",
        "absent": f"there is no {TITLES[format]} ",
    }
    cannot = ("cannot be opened as", "the file has no metadata of `mrcnn export`; export the model")
    assert expected[name] in text if name in expected else any(each in text for each in cannot)
