"""LiteRT files in the predictor of exported files: threads, and files that are none."""

import json
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.export.formats.litert import LiteRT
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.runtimes import litert
from tests.export import helpers

pytest.importorskip("ai_edge_litert")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("litert")
    LiteRT().write(helpers.make_exportable(), folder)
    return folder / "model.tflite"


def test_threads_share_a_predictor(file):
    predictor = ExportedPredictor.load(file)
    images = [np.full((20 + index, 30, 3), 100 + 5 * index, np.uint8) for index in range(16)]
    alone = [predictor.predict([image])[0] for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: predictor.predict([image])[0], images))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
        assert one.masks.shape == other.masks.shape


def rewritten(file, folder, **changes):
    """Copies a file with other metadata; None leaves a text out."""
    path = folder / "other.tflite"
    with zipfile.ZipFile(file) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
        network = file.read_bytes()[: min(item.header_offset for item in archive.infolist())]
    path.write_bytes(network)
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in {**texts, **changes}.items():
            if text is not None:
                archive.writestr(name, text)
    return path


def test_load_names_a_file_of_another_program(file, tmp_path):
    with pytest.raises(UserError, match=r"other\.tflite: the file has no metadata of `mrcnn export`; export the model"):
        ExportedPredictor.load(rewritten(file, tmp_path, settings=None))
    plain = tmp_path / "plain.tflite"
    plain.write_bytes(rewritten(file, tmp_path).read_bytes()[:1000])
    with pytest.raises(UserError, match=r"plain\.tflite: the file has no metadata of `mrcnn export`"):
        ExportedPredictor.load(plain)


def test_load_names_another_version_of_the_metadata(file, tmp_path):
    with zipfile.ZipFile(file) as archive:
        settings = json.loads(archive.read("settings"))
    other = rewritten(file, tmp_path, settings=json.dumps({**settings, "format_version": 99}))
    with pytest.raises(UserError, match=r"other\.tflite: the metadata has version 99, this program reads \d+; export"):
        ExportedPredictor.load(other)


@pytest.mark.parametrize("lost", ["image_resize", "shape", "round_boxes"])
def test_load_names_a_file_without_a_setting_of_its_input(file, tmp_path, lost):
    with zipfile.ZipFile(file) as archive:
        settings = json.loads(archive.read("settings"))
    del settings[lost]
    with pytest.raises(UserError, match=r"other\.tflite: the file has no metadata of `mrcnn export`; export the model"):
        ExportedPredictor.load(rewritten(file, tmp_path, settings=json.dumps(settings)))


@pytest.mark.parametrize(
    ("place", "value"),
    [(6, 0x01), (6, 0x20), (6, 0x40), (8, 0x63), (8, 0x08), (4, 0xFF)],
    ids=["encrypted", "patched", "strongly encrypted", "compression", "deflated", "version"],
)
def test_read_metadata_of_a_damaged_archive_is_empty(tmp_path, place, value):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"network")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("settings", "{}")
    content = bytearray(path.read_bytes())
    for start in (content.find(b"PK\x03\x04"), content.find(b"PK\x01\x02") + 2):  # both headers have the fields
        content[start + place] = value
    path.write_bytes(content)
    assert litert.read_metadata(path) == {}


def test_load_names_a_damaged_file(file, tmp_path):
    content = bytearray(rewritten(file, tmp_path).read_bytes())
    content[:64] = bytes(64)
    (tmp_path / "broken.tflite").write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.tflite cannot be opened as a LiteRT file, export it again: \S"):
        ExportedPredictor.load(tmp_path / "broken.tflite")


def test_open_file_names_a_file_that_goes_away(tmp_path):
    with pytest.raises(
        UserError, match=r"no\.tflite cannot be opened as a LiteRT file, export it again: .*No such file"
    ):
        litert.open_file(tmp_path / "no.tflite")


def test_load_names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"there is no LiteRT file .*no\.tflite; `mrcnn export --format litert` writes"):
        ExportedPredictor.load(tmp_path / "no.tflite")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 6, 3), np.float32), "image 0: an image must be uint8 with values 0..255, got float32"),
        (np.zeros((4, 6, 2), np.uint8), "image 0: the model takes images with 3 channels, got 2"),
        (np.zeros((0, 6, 3), np.uint8), r"image 0: an image must be .*, got \[0, 6, 3\]"),
    ],
)
def test_predict_names_what_is_no_image(file, image, message):
    with pytest.raises(ValueError, match=message):
        ExportedPredictor.load(file).predict([image])
