"""Old clients against the running service: they must not notice that it is another one."""

import base64
import json

import pytest
import requests

from ..helpers import image_bytes, running
from ..old_clients import Client2019, Client2020, decode_mask

META = {
    "classes": [{"title": "road", "shape": "rectangle", "color": "#112233", "geometry_config": {}}],
    "tags": [{"name": "seen", "value_type": "none", "color": "#445566"}],
}
ANNOTATION = {
    "description": "a street",
    "size": {"height": 4, "width": 6},
    "tags": ["seen"],
    "objects": [
        {
            "classTitle": "road",
            "description": "",
            "tags": [],
            "points": {"exterior": [[0, 0], [2, 2]], "interior": []},
            "labelerLogin": "ann",
        }
    ],
}
PICTURE = image_bytes(4, 6, 204)  # brightness 204 / 255 = 0.8


def named(meta):
    return [(item["title"], item["shape"], item["color"]) for item in meta["classes"]]


def test_inference_2020_returns_the_annotation_itself(service):
    found = Client2020(service.url).inference(PICTURE)
    assert found["size"] == {"height": 4, "width": 6}
    assert (found["description"], found["tags"]) == ("", [])
    cat, dog = found["objects"]
    assert (cat["classTitle"], cat["tags"]) == ("cat_model", [{"name": "confidence_model", "value": 0.8}])
    assert (dog["classTitle"], dog["tags"]) == ("dog_model", [{"name": "confidence_model", "value": 0.4}])
    assert decode_mask(cat) == ([[1] * 6] * 4, [0, 0])
    assert decode_mask(dog) == ([[1] * 6] * 2, [0, 0])


@pytest.mark.parametrize("as_files", [False, True])
def test_inference_2020_accepts_strings_and_files(service, as_files):
    mode = {"name": "full_image", "model_classes": {"save_classes": ["dog"], "add_suffix": "_new"}}
    found = Client2020(service.url).inference(PICTURE, META, mode, ANNOTATION, as_files=as_files)
    assert (found["description"], [tag["name"] for tag in found["tags"]]) == ("a street", ["seen"])
    road, dog = found["objects"]
    assert (road["classTitle"], road["labelerLogin"]) == ("road", "ann")
    assert road["points"] == {"exterior": [[0, 0], [2, 2]], "interior": []}
    assert (dog["classTitle"], dog["tags"][0]["name"]) == ("dog_new", "confidence_model")


def test_get_out_meta_2020_returns_the_meta_itself(service):
    client = Client2020(service.url)
    meta = client.get_out_meta()
    assert named(meta) == [("cat_model", "bitmap", "#FF0000"), ("dog_model", "bitmap", "#00FF00")]
    assert [(tag["name"], tag["value_type"]) for tag in meta["tags"]] == [("confidence_model", "any_number")]
    mode = {"model_classes": {"save_classes": ["dog"], "add_suffix": "_new"}, "model_tags": {"add_suffix": ""}}
    meta = client.get_out_meta(META, mode)
    assert named(meta) == [("road", "rectangle", "#112233"), ("dog_new", "bitmap", "#00FF00")]
    assert [tag["name"] for tag in meta["tags"]] == ["seen", "confidence"]


def test_inference_accepts_its_own_answer_in_the_next_request(service):
    client = Client2020(service.url)
    first = client.inference(PICTURE)
    second = client.inference(PICTURE, client.get_out_meta(), None, first)
    assert [item["classTitle"] for item in second["objects"]] == ["cat_model", "dog_model"] * 2


def test_inference_2019_is_chosen_by_the_servers_address(service):
    client = Client2019(f"{service.url}/2019")
    assert named(client.get_output_meta()) == [("cat", "bitmap", "#FF0000"), ("dog", "bitmap", "#00FF00")]
    assert [tag["name"] for tag in client.get_output_meta()["tags"]] == ["confidence"]
    found = client.inference(PICTURE)
    assert [item["classTitle"] for item in found["objects"]] == ["cat", "dog"]
    assert found["objects"][0]["tags"] == [{"name": "confidence", "value": 0.8}]


def test_inference_of_a_service_of_2019_needs_no_prefix():
    with running(api="2019") as service:
        client = Client2019(service.url)
        assert named(client.get_output_meta())[0] == ("cat", "bitmap", "#FF0000")
        assert [item["classTitle"] for item in client.inference(PICTURE)["objects"]] == ["cat", "dog"]
        found = Client2020(f"{service.url}/2020").inference(PICTURE)
        assert [item["classTitle"] for item in found["objects"]] == ["cat_model", "dog_model"]


def test_get_output_meta_of_2019_is_where_it_was(service):
    assert named(Client2019(service.url).get_output_meta())[0][0] == "cat"


def test_inference_accepts_a_json_body_and_a_bare_image(service):
    url = f"{service.url}/model/inference"
    expected = Client2020(service.url).inference(PICTURE)
    mode = {"name": "full_image"}
    body = {"image": base64.b64encode(PICTURE).decode(), "mode": mode}
    assert requests.post(url, json=body, timeout=60).json() == expected
    bare = requests.post(url, data=PICTURE, headers={"Content-Type": "image/png"}, params={"mode": json.dumps(mode)},
                         timeout=60)  # fmt: skip
    assert bare.json() == expected
    meta = requests.post(
        f"{service.url}/model/get_out_meta", json={"mode": {"model_tags": {"add_suffix": ""}}}, timeout=60
    )
    assert meta.json()["tags"][0]["name"] == "confidence"


@pytest.mark.parametrize("name", ["roi", "bboxes", "sliding_window", "sliding_window_det"])
def test_inference_answers_every_mode_of_a_project_run(service, name):
    response = requests.post(
        f"{service.url}/model/inference",
        files={"image": PICTURE},
        data={"mode": json.dumps({"name": name}), "meta": json.dumps(META), "annotation": json.dumps(ANNOTATION)},
        timeout=60,
    )
    assert response.status_code == 200, response.text
    kept = {item["classTitle"] for item in ANNOTATION["objects"]}
    assert kept <= {item["classTitle"] for item in response.json()["objects"]}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"files": {"other": PICTURE}}, "`image` is missing; send the image file as the form's file part `image`"),
        ({}, "`image` is missing; send the image file as the form's file part `image`"),
        ({"files": {"image": b""}}, "the image is empty; send the bytes of an image file"),
        ({"files": {"image": b"text"}}, "the image is in no known format"),
        ({"files": {"image": PICTURE[:-20]}}, "the image is cut off or broken: a part of it is longer than all of it"),
        ({"files": {"image": PICTURE[:-12].replace(b"IDAT", b"IDAX")}}, "the image is in no known format"),
        (
            {"files": {"image": PICTURE}, "data": {"mode": '{"name": "sliding_windows"}'}},
            "`mode.name` must be one of full_image, ",
        ),
        (
            {"files": {"image": PICTURE}, "data": {"annotation": json.dumps(ANNOTATION)}},
            "`annotation`: object 0: class",
        ),
        ({"files": {"image": PICTURE}, "data": {"mode": "[" * 100_000}}, "`mode` is nested more than 64 levels deep"),
    ],
)
def test_inference_answers_a_mistake_with_400_and_one_line(service, parts, message):
    response = requests.post(f"{service.url}/model/inference", timeout=60, **parts)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    assert response.json().keys() == {"error"}
    assert response.json()["error"].startswith(message)
