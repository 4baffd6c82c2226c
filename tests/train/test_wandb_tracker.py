import importlib
import importlib.util
import time

import pytest

from . import fake_trackers

MODULE = "mrcnn.train.wandb_tracker"


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    return fake_trackers.install(monkeypatch)["wandb"]


def test_a_run_is_given_the_config_and_no_terminal_text(fake, tmp_path, monkeypatch):
    module = importlib.import_module(MODULE)
    assert module.make(tmp_path).start("lemons", {"lr": 0.1}, earlier=None) == "id0"
    given = fake.runs[0].given
    assert (given["project"], given["name"], given["config"]) == ("mrcnn", "lemons", {"lr": 0.1})
    assert (given["dir"], given["save_code"], given["settings"]["console"]) == (str(tmp_path), False, "off")
    assert given["resume"] is None
    monkeypatch.setenv("WANDB_PROJECT", "fruit")
    module.make(tmp_path).start("lemons", {}, earlier="id0")
    assert (fake.runs[1].given["project"], fake.runs[1].id, fake.runs[1].given["resume"]) == ("fruit", "id0", "allow")


def test_place_is_the_address_of_an_online_run(fake, tmp_path):
    run = importlib.import_module(MODULE).make(tmp_path)
    run.start("a", {}, earlier=None)
    fake.runs[0].offline, fake.runs[0].url = False, "https://example.org/run"
    assert run.place() == "https://example.org/run"


@pytest.mark.filterwarnings("ignore")  # of the package
def test_a_run_offline(tmp_path, monkeypatch):
    if importlib.util.find_spec("wandb") is None:
        pytest.skip("`pip install -r requirements-extras.txt` installs wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    fake_trackers.forget(monkeypatch)
    run = importlib.import_module(MODULE).make(tmp_path)
    name = run.start("lemons", {"lr": 0.1}, earlier=None)
    run.log({"loss": 2.0}, epoch=1)
    assert "offline; send it later by `wandb sync " in run.place()
    run.finish("complete")
    (stored,) = (tmp_path / "wandb").glob(f"offline-run-*/run-{name}.wandb")
    until = time.monotonic() + 30
    while b"loss" not in stored.read_bytes() and time.monotonic() < until:
        time.sleep(0.1)  # another process writes the file
    content = stored.read_bytes()
    assert b"loss" in content
    assert b"lr" in content
