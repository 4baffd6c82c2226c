import base64

import pytest
import requests

from ..helpers import image_bytes

TEXT = base64.b64encode(image_bytes(2, 3, 204)).decode()
ENCODED = {"name": "encoded", "shape": [1], "datatype": "BYTES", "data": [TEXT]}
IMAGE = {"name": "image", "shape": [2, 3, 3], "datatype": "UINT8", "data": [204] * 18}


def infer(service, body, path="mrcnn"):
    return requests.post(f"{service.url}/v2/models/{path}/infer", json=body, timeout=60)


@pytest.mark.parametrize(
    "tensor",
    [ENCODED, {**ENCODED, "shape": [1, 1], "data": [[TEXT]]}, IMAGE, {**IMAGE, "data": [[[204] * 3] * 3] * 2},
     {**IMAGE, "shape": [1, 2, 3, 3]}],
)  # fmt: skip
@pytest.mark.parametrize("path", ["mrcnn", "mrcnn/versions/1"])
def test_open_inference_infer_answers_one_image_with_four_tensors(service, tensor, path):
    response = infer(service, {"id": "7", "inputs": [tensor]}, path)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("mrcnn", "1", "7")
    assert answer["outputs"] == [
        {"name": "boxes", "datatype": "FP32", "shape": [2, 4], "data": [0, 0, 2, 3, 0, 0, 1, 3]},
        {"name": "class_ids", "datatype": "INT32", "shape": [2], "data": [1, 2]},
        {"name": "scores", "datatype": "FP32", "shape": [2], "data": pytest.approx([0.8, 0.4])},
        {"name": "masks", "datatype": "UINT8", "shape": [2, 2, 3], "data": [1] * 6 + [1] * 3 + [0] * 3},
    ]


def test_infer_without_object_and_id(service):
    answer = infer(service, {"inputs": [{**IMAGE, "data": [0] * 18}]}).json()
    assert "id" not in answer
    assert [(item["shape"], item["data"]) for item in answer["outputs"]] == [
        ([0, 4], []), ([0], []), ([0], []), ([0, 2, 3], []),
    ]  # fmt: skip


def test_infer_answers_only_the_requested_outputs(service):
    answer = infer(service, {"inputs": [ENCODED], "outputs": [{"name": "scores"}, {"name": "boxes"}]}).json()
    assert [item["name"] for item in answer["outputs"]] == ["boxes", "scores"]


INPUTS = "the body must be a JSON object whose `inputs` is a list of one tensor, `image` or `encoded`"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], INPUTS),
        ({}, INPUTS),
        ({"inputs": []}, INPUTS),
        ({"inputs": [IMAGE, IMAGE]}, INPUTS),
        ({"inputs": [5]}, INPUTS),
        ({"inputs": [IMAGE], "id": 5}, "`id` must be a text, got 5"),
        ({"inputs": [{**IMAGE, "name": "picture"}]}, "the input must be `image` of datatype UINT8"),
        ({"inputs": [{**IMAGE, "datatype": "FP32"}]}, "the input must be `image` of datatype UINT8"),
        ({"inputs": [{**ENCODED, "shape": [2]}]}, "the input must be `image` of datatype UINT8"),
        ({"inputs": [{**IMAGE, "shape": [2, "3", 3]}]}, "`shape` must be a list of whole numbers"),
        ({"inputs": [{**IMAGE, "shape": [2, 3, 4]}]}, "`image` has 18 values, which is not its shape [2, 3, 4]"),
        ({"inputs": [{"name": "image", "shape": [1], "datatype": "UINT8"}]}, "`data` must be a list, got null; binary"),
        ({"inputs": [{**ENCODED, "data": ["?"]}]}, '`data` must be base64 text of an image file, got "?"'),
        (
            {"inputs": [IMAGE], "outputs": [{"name": "keypoints"}]},
            "`outputs` must be a list of objects with a `name` of",
        ),
        ({"inputs": [IMAGE], "outputs": [5]}, "`outputs` must be a list of objects with a `name` of"),
        ({"inputs": [IMAGE], "outputs": 5}, "`outputs` must be a list of objects with a `name` of"),
    ],
)
def test_infer_answers_a_mistake_with_400_and_one_line(service, body, message):
    response = infer(service, body)
    assert response.status_code == 400
    assert response.json()["error"].startswith(message)


def test_infer_refuses_binary_tensors_by_name(service):
    headers = {"Inference-Header-Content-Length": "2", "Content-Type": "application/octet-stream"}
    url = f"{service.url}/v2/models/mrcnn/infer"
    response = requests.post(url, data=b"{}\xff\x00", headers=headers, timeout=60)
    assert response.status_code == 400
    assert response.json()["error"].startswith("binary tensors (Inference-Header-Content-Length) are not taken; send")


def test_open_inference_ready_metadata_and_unknown_models(service):
    def get(path):
        return requests.get(f"{service.url}/v2{path}", timeout=60)

    assert get("").json() == {"name": "mrcnn", "version": "0.1.0", "extensions": []}
    assert get("/health/live").json() == {"live": True}
    assert get("/health/ready").json() == {"ready": True}
    assert get("/models/mrcnn/ready").json() == {"name": "mrcnn", "ready": True}
    found = get("/models/mrcnn").json()
    assert (found["name"], found["versions"], found["class_names"]) == ("mrcnn", ["1"], ["bg", "cat", "dog"])
    assert found["inputs"][0] == {"name": "image", "datatype": "UINT8", "shape": [-1, -1, 3]}
    assert [item["name"] for item in found["outputs"]] == ["boxes", "class_ids", "scores", "masks"]
    for path in ("/models/dogs", "/models/dogs/ready", "/models/mrcnn/versions/2"):
        assert get(path).status_code == 404
    assert infer(service, {"inputs": [IMAGE]}, "dogs").status_code == 404
