"""What an export with reduced weights asks for, and how it is measured."""

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.export import reduced
from mrcnn.export.formats.onnx import Onnx
from mrcnn.export.pictures import Picture
from mrcnn.export.reduced import Target
from mrcnn.predict.predictor import Predictor
from tests.export import helpers


def test_check_finds_the_format():
    assert isinstance(reduced.check(Target("onnx")), Onnx)
    assert isinstance(reduced.check(Target("onnx", "int8", "images")), Onnx)
    assert isinstance(reduced.check(Target("onnx", "float16")), Onnx)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Target("onxx"), "there is no export format `onxx`"),
        (
            Target("saved_model", "int8", "images"),
            "the format saved_model has weights of the kind float32, got `int8`",
        ),
        (Target("saved_model", "float16"), "; --format onnx or openvino or litert has them$"),
        (Target("openvino", "dynamic_int8"), "got `dynamic_int8`; --format litert has them$"),
        (Target("onnx", "int4"), "weights of the kind float32, float16, int8, got `int4`; did you mean `int8`$"),
        (Target("onnx", "int8"), "int8 weights need images like those to come, .* by --calibrate"),
        (Target("onnx", "float16", "images"), "--calibrate is for int8 weights only, and these are float16; leave it"),
    ],
)
def test_check_refuses(target, message):
    with pytest.raises(UserError, match=message) as error:
        reduced.check(target)
    assert "\n" not in str(error.value)


def test_reduce_gives_the_format_the_images(tmp_path, log):
    class Spy(Onnx):
        def reduce(self, folder, **given):
            self.given = folder, given

    spy, image, settings = Spy(), np.zeros((2, 3, 3), np.uint8), helpers.make_exportable().settings
    seen = [Picture("a", image)]
    reduced.reduce(spy, tmp_path, weights="int8", settings=settings, calibration=seen, log=log)
    folder, given = spy.given
    assert [each is image for each in given.pop("images")] == [True]
    assert (folder, given) == (tmp_path, {"weights": "int8", "settings": settings})
    assert log.messages == ["reducing the weights to int8: this takes up to a few minutes"]


def test_measure_compares_with_the_live_model(log):
    predictor = Predictor(helpers.make_bundle())
    seen = [Picture("bright", np.full((20, 30, 3), 250, np.uint8)), Picture("grey", np.full((9, 9, 3), 128, np.uint8))]

    def function(image):
        [live] = predictor.predict([image])
        return helpers.outputs(live) | {"scores": live.scores - 0.1}

    result = reduced.measure(predictor, function, weights="int8", pictures=seen, log=log)
    assert [item.image for item in result.images] == ["bright", "grey"]
    assert (result.weights, result.matched, result.matched_share) == ("int8", 4, 1.0)
    assert result.mean("mask_iou") == pytest.approx(1)
    assert result.mean("score") == pytest.approx(0.1)
