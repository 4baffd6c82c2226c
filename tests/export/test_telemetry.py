"""Nothing is reported over the network during an export."""

import os

import pytest

from mrcnn.export import telemetry


@pytest.mark.parametrize("before", [None, "1"])
def test_off_sets_and_restores_the_variable(monkeypatch, before):
    monkeypatch.delenv("CI", raising=False)
    if before:
        monkeypatch.setenv("CI", before)
    with telemetry.off():
        assert os.environ["CI"] == "true"
    assert os.environ.get("CI") == before


def test_off_is_what_openvinos_telemetry_obeys(monkeypatch):
    reports = pytest.importorskip("openvino_telemetry", reason="the extra `openvino` is not installed")
    with telemetry.off():
        sender = reports.Telemetry(
            tid="none", app_name="test", app_version="1", backend="ga4", enable_opt_in_dialog=False, disable_in_ci=True
        )
    assert not sender.consent
