import json
import os

import pytest

from mrcnn.config.load import load_train_config
from mrcnn.errors import UserError
from mrcnn.train import trackers
from mrcnn.train.clock import Clock
from mrcnn.train.optional_files import OptionalFiles

from . import fake_trackers

BOTH = {"trackers": ["mlflow", "wandb", "mlflow"]}


@pytest.fixture
def variables(monkeypatch):
    """Unsets the variables that switch reports off, and sets them back in the end."""
    for name in trackers.QUIET:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return lambda: {name: os.environ[name] for name in trackers.QUIET if name in os.environ}


@pytest.fixture
def packages(monkeypatch, variables):
    monkeypatch.setattr(trackers.optional, "missing", lambda extra: [])
    return fake_trackers.install(monkeypatch)


def make(tmp_path, log, state, settings=BOTH):
    clock = Clock(state)
    config = load_train_config(settings)
    return clock, trackers.make(config, clock, folder=tmp_path, optional_files=OptionalFiles(log))


def end_epoch(clock, tracking, epoch, **row):
    clock.rows.append({"epoch": epoch + 1, **row})
    for tracker in tracking.callbacks.values():
        tracker.on_epoch_end(epoch)


def test_a_run_is_sent_to_each_tracker(packages, variables, tmp_path, log, make_state):
    clock, tracking = make(tmp_path, log, make_state())
    assert list(tracking.callbacks) == ["mlflow", "wandb"]
    with tracking.running(log):
        end_epoch(clock, tracking, 0, loss=2.0, val_box_ap=float("nan"), note="x")
        end_epoch(clock, tracking, 1, loss=1.0)
    (run,), (other,) = packages["mlflow"].runs.values(), packages["wandb"].runs
    assert run["metrics"] == other.rows == {1: {"loss": 2.0}, 2: {"loss": 1.0}}
    assert (run["status"], other.ended) == ("FINISHED", 0)
    assert run["name"] == other.given["name"] == tmp_path.name
    assert run["params"]["optimizer.momentum"] == "0.9"
    assert other.given["config"]["model.backbone"] == "resnet101"
    assert json.loads((tmp_path / trackers.FILE).read_text()) == {"mlflow": "id0", "wandb": "id0"}
    assert log.messages == [
        "MLflow: run id0 in sqlite:///a.db",
        f"Weights & Biases: offline; send it later by `wandb sync {tmp_path}/wandb/offline-id0`",
    ]
    assert variables() == {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}


def stopped(tracking, log):
    with tracking.running(log):
        raise SystemExit(143)


def test_a_stopped_run_is_ended_and_continued(packages, tmp_path, log, make_state):
    _, tracking = make(tmp_path, log, make_state())
    with pytest.raises(SystemExit):
        stopped(tracking, log)
    assert packages["mlflow"].runs["id0"]["status"] == "KILLED"
    assert packages["wandb"].runs[0].ended == 1
    clock, tracking = make(tmp_path, log, make_state(epoch=1))
    with tracking.running(log):
        end_epoch(clock, tracking, 1, loss=1.0)
    assert list(packages["mlflow"].runs) == ["id0"]
    assert packages["mlflow"].runs["id0"]["metrics"] == {2: {"loss": 1.0}}
    assert packages["mlflow"].runs["id0"]["status"] == "FINISHED"
    assert (packages["wandb"].runs[1].id, packages["wandb"].runs[1].given["resume"]) == ("id0", "allow")


@pytest.mark.parametrize("text", ['{"mlflow": "old", "wandb": 3}', "[]", "{"])
def test_a_new_run_in_the_same_folder_begins_anew(packages, tmp_path, log, make_state, text):
    (tmp_path / trackers.FILE).write_text(text)
    _, tracking = make(tmp_path, log, make_state())
    with tracking.running(log):
        pass
    assert list(packages["mlflow"].runs) == ["id0"]
    _, tracking = make(tmp_path, log, make_state(step=1))
    (tmp_path / trackers.FILE).write_text("{")  # damaged: a run that is resumed begins a new one too
    with tracking.running(log):
        pass
    assert list(packages["mlflow"].runs) == ["id0", "id1"]


@pytest.mark.parametrize("call", ["start_run", "log_metrics", "end_run", "log_params"])
def test_a_tracker_that_fails_does_not_end_the_run(packages, tmp_path, log, make_state, monkeypatch, call):
    def fail(*args, **kwargs):
        raise ConnectionError("the server is away")

    monkeypatch.setattr(packages["mlflow"], call, fail)
    clock, tracking = make(tmp_path, log, make_state())
    with tracking.running(log):
        end_epoch(clock, tracking, 0, loss=2.0)
        end_epoch(clock, tracking, 1, loss=2.0)
    failed = [line for line in log.messages if "failed" in line]
    what = {"log_metrics": "sending figures to MLflow", "end_run": "ending MLflow"}.get(call, "starting MLflow")
    assert failed == [f"{what} failed: the server is away; the run goes on without"]
    assert packages["wandb"].runs[0].ended == 0
    assert len(packages["wandb"].runs[0].rows) == 2


def test_a_package_that_cannot_be_imported_is_a_warning(tmp_path, log, make_state, monkeypatch):
    def fail(*args, **kwargs):
        raise ImportError("broken")

    monkeypatch.setattr(trackers.optional, "load", fail)
    _, tracking = make(tmp_path, log, make_state(), {"trackers": ["wandb"]})
    assert tracking.callbacks == {}
    assert log.messages == ["starting Weights & Biases failed: broken; the run goes on without"]
    with tracking.running(log):
        pass


def test_without_trackers_nothing_is_imported_or_written(tmp_path, log, make_state, variables):
    _, tracking = make(tmp_path, log, make_state(), {})
    with tracking.running(log):
        pass
    assert (tracking.callbacks, list(tmp_path.iterdir()), log.messages, variables()) == ({}, [], [], {})


def test_require_names_the_extra(monkeypatch):
    trackers.require(())
    monkeypatch.setitem(trackers.optional.EXTRAS, "wandb", ("no_such_package",))
    with pytest.raises(UserError, match=r"`trackers` wandb needs the package no_such_package; .*mrcnn\[wandb\]"):
        trackers.require(["wandb"])


def test_flattened():
    assert trackers.flattened({"a": {"b": {"c": 1}, "d": [2]}, "e": {}, "f": None}) == {
        "a.b.c": 1, "a.d": [2], "e": {}, "f": None,
    }  # fmt: skip
    assert trackers.flattened({}) == {}
