"""The SavedModel: equal to the live network, and usable without our code; its decoder of image files."""

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from mrcnn.export import run
from mrcnn.export.formats import saved_model
from mrcnn.export.formats.saved_model import SavedModel
from mrcnn.images import image_header, pixels
from mrcnn.predict.predictor import Predictor
from tests.export import families, helpers

SIZES = [(1, 1), (1, 200), (200, 1), (64, 64), (128, 128), (90, 70), (61, 300), (300, 401)]


@pytest.fixture(scope="module")
def loaded(exported_network):
    return tf.saved_model.load(str(exported_network))


def call(loaded, signature, value):
    outputs = loaded.signatures[signature](tf.constant(value))
    return {key: tensor.numpy() for key, tensor in outputs.items()}


def check(found, live):
    assert set(found) == {"boxes", "class_ids", "scores", "masks"}
    assert [found[key].dtype for key in ("boxes", "class_ids", "scores", "masks")] == [
        np.float32, np.int32, np.float32, np.uint8
    ]  # fmt: skip
    np.testing.assert_array_equal(found["class_ids"], live.class_ids)
    np.testing.assert_allclose(found["boxes"], live.boxes, atol=0.01)
    np.testing.assert_allclose(found["scores"], live.scores, atol=1e-4)
    assert found["masks"].shape == live.masks.shape
    assert (found["masks"] != live.masks).sum() <= 2 * len(live.masks)


@pytest.mark.parametrize("size", SIZES)
def test_write_agrees_with_the_live_model_on_every_size(network, loaded, size):
    image = helpers.photo(*size, seed=3)
    live = network.predict([image])[0]
    check(call(loaded, "serving_default", image), live)
    assert len(live.scores) > 0 or max(size) < 60 or min(size) == 1


@pytest.mark.parametrize(("extension", "channels"), [(".jpg", 3), (".png", 3), (".png", 1), (".png", 4)])
def test_write_decodes_as_the_live_reader(network, loaded, extension, channels):
    photo = helpers.photo(100, 140, seed=4)
    photo = {1: photo[..., 0], 3: photo, 4: np.dstack([photo, photo[..., 0]])}[channels]
    data = helpers.encode(photo, extension)
    image = pixels.decode_image(np.frombuffer(data, np.uint8), name="bytes")
    found = call(loaded, "encoded", data)
    assert len(found["scores"]) > 3
    check(found, network.predict([image])[0])
    for key, value in call(loaded, "serving_default", image).items():
        np.testing.assert_array_equal(found[key], value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "changes"), [("torchvision", {}), ("torchvision_v2", {}), ("detectron2", {"image_resize": "exact"})]
)
def test_write_agrees_for_models_of_other_code_bases(tmp_path, family, changes):
    bundle = families.make_bundle(family, detections_per_image=10, **changes)
    run.write(bundle, tmp_path / "1")
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    for size in ((200, 240), (300, 190)):
        image = skimage.data.coffee()[: size[0], : size[1]]
        live = Predictor(bundle).predict([image])[0]
        assert len(live.scores) >= 5
        check(call(loaded, "serving_default", image), live)


def test_write_leaves_no_gradient_in_the_graph(exported_network):
    stored = saved_model_pb2.SavedModel.FromString((exported_network / "saved_model.pb").read_bytes())
    nodes = [
        node for graph in stored.meta_graphs for each in graph.graph_def.library.function for node in each.node_def
    ]
    assert len(nodes) > 1000
    assert [node.name for node in nodes if "_gradient_op_type" in node.attr] == []


def test_write_needs_only_tensorflow_to_load(network, exported_network, tmp_path):
    np.save(tmp_path / "image.npy", helpers.photo(90, 70))
    code = f"""
import importlib.util
import numpy as np
import tensorflow as tf
assert importlib.util.find_spec("mrcnn") is None
model = tf.saved_model.load({str(exported_network)!r})
outputs = model.signatures["serving_default"](image=tf.constant(np.load("image.npy")))
np.savez("found.npz", **{{key: value.numpy() for key, value in outputs.items()}})
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "found.npz") as found:
        check(dict(found), network.predict([helpers.photo(90, 70)])[0])


PHOTO = helpers.photo(60, 90)
GREY = PHOTO[..., 0]
FILES = {
    "jpeg": helpers.encode(PHOTO, ".jpg"),
    "poor jpeg": helpers.encode(PHOTO, ".jpg", 1, 40),
    "grey jpeg": helpers.encode(GREY, ".jpg"),
    "png": helpers.encode(PHOTO),
    "grey png": helpers.encode(GREY),
    "png with alpha": helpers.encode(np.dstack([PHOTO, GREY])),
    "16-bit png": helpers.encode(PHOTO.astype(np.uint16) * 256 + 200),
    "16-bit grey png": helpers.encode(GREY.astype(np.uint16) * 256 + 200),
    "bmp": helpers.encode(PHOTO, ".bmp"),
}


@pytest.mark.parametrize("kind", FILES)
def test_decode_agrees_with_the_live_reader(kind):
    decode = tf.function(saved_model.decode, input_signature=[tf.TensorSpec([], tf.string)])
    live = pixels.decode_image(np.frombuffer(FILES[kind], np.uint8), name=kind)
    np.testing.assert_array_equal(decode(FILES[kind]), live)


def test_decode_ignores_the_exif_orientation():
    file = io.BytesIO()
    exif = Image.Exif()
    exif[image_header.EXIF_ORIENTATION] = 6  # to be turned by a quarter
    Image.fromarray(PHOTO).save(file, "JPEG", exif=exif)
    assert pixels.decode_image(np.frombuffer(file.getvalue(), np.uint8), name="live").shape == (90, 60, 3)
    assert saved_model.decode(tf.constant(file.getvalue())).shape == (60, 90, 3)


@pytest.mark.parametrize("data", [b"", b"no image", FILES["png"][:50], FILES["jpeg"][:200]])
def test_decode_refuses_bytes_that_are_no_image(data):
    with pytest.raises(tf.errors.InvalidArgumentError):
        saved_model.decode(tf.constant(data))


def test_functions_by_channels():
    def names(channels):
        return list(saved_model.functions(helpers.make_exportable(channels=channels)))

    assert names(3) == ["serving_default", "probabilities", "encoded"]
    assert names(1) == names(4) == ["serving_default", "probabilities"]


def test_open_by_channels(tmp_path):
    opened = {}
    for channels in (3, 4):
        (tmp_path / str(channels)).mkdir()
        model = helpers.make_exportable(channels=channels)
        SavedModel().write(model, tmp_path / str(channels))
        opened[channels] = SavedModel().open(tmp_path / str(channels), model.settings)
    assert list(opened[3]) == ["serving_default", "probabilities", "encoded"]
    assert list(opened[4]) == ["serving_default", "probabilities"]
    grey = np.full((30, 90, 3), 51, np.uint8)  # 51 / 255 = 0.2
    for function in opened[3].values():
        np.testing.assert_allclose(function(grey)["scores"], [0.2, 0.1], rtol=1e-5)
    assert set(opened[4]["probabilities"](grey[..., [0, 0, 1, 2]])) == {
        "boxes", "class_ids", "scores", "masks", "probabilities"
    }  # fmt: skip


def test_limits_name_16_bit_images():
    settings = helpers.make_exportable().settings
    assert SavedModel().limits(settings) == []
    (line,) = SavedModel().limits(replace(settings, image_range=4095))
    assert line.startswith("16-bit images of this model are white at 4095, but the exported signature `encoded`")
