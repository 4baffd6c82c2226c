import importlib
import importlib.util

import pytest

from . import fake_trackers

MODULE = "mrcnn.train.mlflow_tracker"
SETTINGS = {f"key{index}": "x" * 600 for index in range(150)}


@pytest.fixture
def fake(monkeypatch):
    return fake_trackers.install(monkeypatch)["mlflow"]


def test_settings_are_sent_in_parts_and_shortened(fake, tmp_path):
    run = importlib.import_module(MODULE).make(tmp_path)
    assert run.start("a", SETTINGS, earlier=None) == "id0"
    sent = fake.runs["id0"]["params"]
    assert len(sent) == 150
    assert {len(value) for value in sent.values()} == {500}


def test_the_callers_own_run_is_used_and_left_open(fake, tmp_path):
    own = fake.start_run(run_name="own")
    run = importlib.import_module(MODULE).make(tmp_path)
    assert run.start("a", {"b": 1}, earlier=None) == "id0"
    run.log({"loss": 1.0}, epoch=1)
    run.finish("complete")
    assert fake.active is own
    assert fake.runs["id0"] == {"name": "own", "params": {"b": "1"}, "metrics": {1: {"loss": 1.0}}, "status": None}


@pytest.mark.filterwarnings("ignore")  # of the package
def test_a_run_in_a_sqlite_file(tmp_path, monkeypatch):
    if any(importlib.util.find_spec(name) is None for name in ("mlflow", "sqlalchemy", "alembic")):
        pytest.skip("`pip install -r requirements-extras.txt` installs MLflow")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.chdir(tmp_path)
    fake_trackers.forget(monkeypatch)
    module = importlib.import_module(MODULE)
    first = module.make(tmp_path)
    name = first.start("lemons", {"lr": 0.1, "model.backbone": "resnet50"}, earlier=None)
    first.log({"loss": 2.0, "val_box_ap": 0.25}, epoch=1)
    first.finish("stopped")
    second = module.make(tmp_path)
    assert second.start("lemons", {"lr": 0.2}, earlier=name) == name
    second.log({"loss": 1.0}, epoch=2)
    second.finish("complete")
    assert f"sqlite:///{tmp_path}/runs.db" in second.place()
    stored = module.mlflow.MlflowClient().get_run(name)
    assert stored.data.params == {"lr": "0.1", "model.backbone": "resnet50"}
    assert stored.data.metrics == {"loss": 1.0, "val_box_ap": 0.25}
    assert (stored.info.run_name, stored.info.status) == ("lemons", "FINISHED")
    history = module.mlflow.MlflowClient().get_metric_history(name, "loss")
    assert [(item.step, item.value) for item in history] == [(1, 2.0), (2, 1.0)]
