import json

from mrcnn.errors import UserError
from mrcnn.serve import refusals
from mrcnn.serve.refusals import Refusal


def test_a_refusal_is_json_with_its_status():
    answer = refusals.as_response(Refusal("too large", status=413))
    assert (answer.status_code, answer.media_type) == (413, "application/json")
    assert json.loads(answer.body) == {"error": "too large"}
    assert "retry-after" not in answer.headers


def test_any_other_mistake_of_the_user_is_400():
    assert refusals.as_response(UserError("`mode.name` is wrong")).status_code == 400


def test_when_to_come_again():
    assert refusals.as_response(Refusal("busy", status=503, retry_after=5)).headers["retry-after"] == "5"


def test_a_long_line_is_cut():
    text = json.loads(refusals.response("x" * 501, status=400).body)["error"]
    assert text == "x" * 497 + "..."


def test_half_letters_survive():
    assert json.loads(refusals.response("\ud800", status=400).body) == {"error": "\ud800"}
