"""Fakes of the packages of trackers, with the few calls that are used."""

import sys
from types import ModuleType, SimpleNamespace

MODULES = ("mrcnn.train.mlflow_tracker", "mrcnn.train.wandb_tracker")


class FakeMlflow(ModuleType):
    """Keeps runs in `runs`: parameters, metrics by step and status, by their ids."""

    def __init__(self):
        super().__init__("mlflow")
        self.runs, self.active, self.requests = {}, None, []

    def active_run(self):
        return self.active

    def start_run(self, run_id=None, run_name=None):
        if self.active:
            raise RuntimeError(f"Run with UUID {self.active.info.run_id} is already active")
        run_id = run_id or f"id{len(self.runs)}"
        self.runs.setdefault(run_id, {"name": run_name, "params": {}, "metrics": {}, "status": None})
        self.active = SimpleNamespace(info=SimpleNamespace(run_id=run_id))
        return self.active

    def log_params(self, params):
        assert 0 < len(params) <= 100
        known = self.runs[self.active.info.run_id]["params"]
        assert not known.keys() & params.keys()
        known.update(params)

    def log_metrics(self, metrics, step, run_id):
        self.runs[run_id]["metrics"][step] = metrics

    def end_run(self, status):
        self.runs[self.active.info.run_id]["status"] = status
        self.active = None

    def get_tracking_uri(self):
        return "sqlite:///a.db"


class FakeWandb(ModuleType):
    """Keeps the arguments of `init` and the logged rows of each run."""

    def __init__(self):
        super().__init__("wandb")
        self.runs = []

    def Settings(self, **values):
        return values

    def init(self, **given):
        run = SimpleNamespace(given=given, rows={}, id=given["id"] or f"id{len(self.runs)}", offline=True, ended=None)
        run.dir = f"{given['dir']}/wandb/offline-{run.id}/files"
        run.log = lambda figures, step: run.rows.update({step: figures})
        run.finish = lambda exit_code: setattr(run, "ended", exit_code)
        self.runs.append(run)
        return run


def install(patch):
    """Replaces both packages and imports of the modules that use them.

    Returns:
        The fakes, by the packages' names.
    """
    fakes = {"mlflow": FakeMlflow(), "wandb": FakeWandb()}
    for name, fake in fakes.items():
        patch.setitem(sys.modules, name, fake)
    forget(patch)
    return fakes


def forget(patch):
    """Makes the next use import the modules anew, and takes them out of the table again at the end."""
    for name in MODULES:
        patch.setitem(sys.modules, name, None)
        del sys.modules[name]
