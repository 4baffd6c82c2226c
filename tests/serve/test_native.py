"""The service's own endpoints, as text; tests/serve/pages opens the pages in a browser."""

import pytest
import requests

from .helpers import make_predictor, running


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_try_out_and_docs_pages_may_ask_their_own_server_only(service, path):
    response = requests.get(service.url + path, timeout=60)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


def test_limits_of_the_settings_and_of_the_model():
    with running(make_predictor(score_threshold=0.25), max_pixels=600, max_body_bytes=5000) as service:
        found = requests.get(f"{service.url}/limits", timeout=60)
    assert found.text == '{"score_threshold":0.25,"max_pixels":600,"max_body_bytes":5000}'
