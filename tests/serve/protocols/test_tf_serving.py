import base64

import pytest
import requests

from mrcnn.serve.protocols import protocol, tf_serving
from mrcnn.serve.responses import RequestError

from ..helpers import image_bytes

TEXT = base64.b64encode(image_bytes(2, 3, 204)).decode()
PIXELS = [[[204, 204, 204]] * 3] * 2
EXPECTED = {
    "boxes": [[0.0, 0.0, 2.0, 3.0], [0.0, 0.0, 1.0, 3.0]],
    "class_ids": [1, 2],
    "scores": [pytest.approx(0.8), pytest.approx(0.4)],
    "masks": [[[1, 1, 1], [1, 1, 1]], [[1, 1, 1], [0, 0, 0]]],
}


def predict(service, body, path="mrcnn:predict"):
    return requests.post(f"{service.url}/v1/models/{path}", json=body, timeout=60)


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": {"encoded": {"b64": TEXT}}, "signature_name": "encoded"},
        {"inputs": {"encoded": {"b64": TEXT}}},
        {"inputs": {"b64": TEXT}},
        {"inputs": {"image": PIXELS}, "signature_name": "serving_default"},
        {"inputs": {"image": PIXELS}, "signature_name": ""},
        {"inputs": PIXELS},
    ],
)
@pytest.mark.parametrize("path", ["mrcnn:predict", "mrcnn/versions/1:predict"])
def test_tf_serving_predict_answers_inputs_with_outputs(service, body, path):
    response = predict(service, body, path)
    assert response.status_code == 200, response.text
    assert response.json() == {"outputs": EXPECTED}


def test_predict_answers_instances_of_any_sizes_with_predictions(service):
    other = base64.b64encode(image_bytes(2, 1, 102)).decode()
    response = predict(service, {"instances": [{"b64": TEXT}, {"encoded": {"b64": other}}, {"image": PIXELS}, PIXELS]})
    first, second, third, fourth = response.json()["predictions"]
    assert first == third == fourth == EXPECTED
    assert (second["boxes"], second["scores"]) == ([[0, 0, 2, 1], [0, 0, 1, 1]], pytest.approx([0.4, 0.2]))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "the body must be a JSON object with either `inputs` or `instances`"),
        ({}, "the body must be a JSON object with either `inputs` or `instances`"),
        ({"inputs": PIXELS, "instances": []}, "the body must be a JSON object with either `inputs` or `instances`"),
        ({"instances": []}, "`instances` must be a list of 1 to 32 images"),
        ({"instances": [PIXELS] * 33}, "`instances` must be a list of 1 to 32 images"),
        ({"inputs": PIXELS, "signature_name": "other"}, '`signature_name` must be one of serving_default, enc'),
        ({"inputs": PIXELS, "signature_name": "encoded"}, 'an image must be {"encoded": {"b64": "..."}}, got'),
        ({"inputs": {"b64": TEXT}, "signature_name": "serving_default"}, 'an image must be {"image": [[[r, g, b]'),
        ({"inputs": {"picture": PIXELS}}, 'an image must be {"image": [[[r, g, b], ...], ...]} or {"encoded":'),
        ({"inputs": {"encoded": TEXT}}, 'an image must be {"encoded": {"b64": "..."}}, got'),
        ({"inputs": {"b64": "?"}}, '`b64` must be base64 text of an image file, got "?"'),
        ({"inputs": [[1, 2], [3]]}, "`image` must be rows of equal length"),
    ],
)  # fmt: skip
def test_predict_answers_a_mistake_with_400_and_one_line(service, body, message):
    response = predict(service, body)
    assert response.status_code == 400
    assert response.json()["error"].startswith(message)


@pytest.mark.parametrize("path", ["dogs:predict", "mrcnn/versions/2:predict"])
def test_predict_of_another_model_or_version_is_404(service, path):
    response = predict(service, {"inputs": PIXELS}, path)
    assert response.status_code == 404
    assert response.json()["error"].endswith("there is mrcnn of version 1")


def test_tf_serving_status_and_metadata(service):
    status = requests.get(f"{service.url}/v1/models/mrcnn", timeout=60).json()
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    found = requests.get(f"{service.url}/v1/models/mrcnn/metadata", timeout=60).json()
    signature = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["image"]["dtype"] == "DT_UINT8"
    assert [side["size"] for side in signature["inputs"]["image"]["tensor_shape"]["dim"]] == ["-1", "-1", "3"]
    assert signature["outputs"].keys() == {"boxes", "class_ids", "scores", "masks"}
    assert requests.get(f"{service.url}/v1/models/dogs", timeout=60).status_code == 404


def test_read_request_refuses_a_deep_body():
    with pytest.raises(RequestError, match="nested more than 64 levels"):
        tf_serving.read_request(b'{"inputs":' + b"[" * 100_000, channels=3)


def test_predict_of_answers_too_large_together_is_413(service, monkeypatch):
    monkeypatch.setattr(protocol, "MOST_RESPONSE_BYTES", 500)
    assert predict(service, {"instances": [PIXELS]}).status_code == 200
    response = predict(service, {"instances": [PIXELS] * 5})
    assert response.status_code == 413
    assert response.json()["error"] == "the answer is larger than 500 bytes; send fewer images"
