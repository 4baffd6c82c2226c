"""The runtime of ONNX files; damaged files are tested with the predictor."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mrcnn.predict.runtimes import onnx
from tests.predict import one_dog


@pytest.mark.parametrize("threads", [None, 1])
def test_open_file_runs_the_outputs_that_are_asked_for(tmp_path, threads):
    path = one_dog.write(tmp_path / "a.onnx")
    opened = onnx.open_file(path, threads=threads)
    assert opened.outputs == ("boxes", "class_ids", "masks", "probabilities", "scores")
    assert set(opened.properties) == {"settings", "labels"}
    assert opened.files == (path,)
    found = opened.run(np.full((2, 3, 3), 255, np.uint8), ["scores", "masks"])
    assert {name: values.tolist() for name, values in found.items()} == {"scores": [0.5], "masks": [[[1] * 3] * 2]}


def test_open_file_may_be_run_by_several_threads(tmp_path):
    opened = onnx.open_file(one_dog.write(tmp_path / "a.onnx"))
    images = [np.full((2 + index, 3, 3), 255, np.uint8) for index in range(20)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda image: opened.run(image, ["masks"])["masks"].shape, images))
    assert found == [(1, 2 + index, 3) for index in range(20)]
