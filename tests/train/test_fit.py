"""The composition of a fitted run; whole runs are in `test_run.py`."""

import keras
import pytest

from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import Samples
from mrcnn.project.meta import ProjectMeta
from mrcnn.structures import Sample
from mrcnn.train import devices, fit
from mrcnn.train.build import Built
from mrcnn.train.check import Checked, Start
from mrcnn.train.checkpoint import CheckpointStore

from . import fake, tiny

SAMPLE = Sample("ds/a.png", "a.png", (None,), (1,), (False,), (48, 64))


@pytest.fixture
def fitted(monkeypatch, tmp_path, make_state, log):
    """Fits without a step; gives the callbacks and what `loop.fit` was called with."""

    def call(*, rows=(), own=(), **settings):
        calls = []
        monkeypatch.setattr(fit.loop, "fit", lambda model, data, **arguments: calls.append(arguments))
        config = load_train_config({**tiny.CONFIG, **settings})
        begin = Start(config=config, model=None, resumed=None, classes=None)
        samples = Samples((SAMPLE,) * 4, (SAMPLE,) * 2, {"bg": 0, "a": 1})
        checked = Checked(config, begin, ProjectMeta(), samples, devices.use(["CPU:0"]))
        model = fake.FakeMaskRCNN(num_classes=2, side=tiny.SIDE)
        store = CheckpointStore(tmp_path / "out", layout=model.weight_layout(), config={})
        fit.fit_run(checked, Built(model, make_state(rows=rows), store), own=own, log=log)
        return calls

    return call


def test_fit_run_sets_the_order_of_the_callbacks(fitted):
    own = keras.callbacks.TerminateOnNaN()
    ((call),) = fitted(own=(own,), early_stopping={"patience": 1})
    names = [type(callback).__name__ for callback in call["callbacks"]]
    assert names[:9] == [
        "Clock", "InvalidLossStop", "InputWaitReport", "MemoryReport", "ProgressReport", "Validation", "Recorder",
        "ClassRecorder", "CheckpointSaver",
    ]  # fmt: skip
    assert names[-5:-3] == ["Examples", "RunRecord"]
    assert names[-3:] == ["TerminateOnNaN", "EarlyStop", "SignalStop"]
    assert call["callbacks"][-3] is own
    assert call["clock"] is call["callbacks"][0]
    assert call["epochs"] == 2


@pytest.mark.parametrize("settings", [{"ap": False}, {"pictures_every_epochs": 0}])
def test_fit_run_draws_no_pictures(fitted, settings):
    ((call),) = fitted(validation=settings)
    names = [type(callback).__name__ for callback in call["callbacks"]]
    assert "Examples" not in names
    assert ("ClassRecorder" in names) == ("ap" not in settings)


def test_fit_run_of_a_run_that_was_stopped_early_does_nothing(fitted, log):
    rows = tuple({"epoch": index + 1, "val_loss": 1.0} for index in range(3))
    assert fitted(rows=rows, early_stopping={"patience": 1}) == []
    assert log.messages[-1] == "nothing to do: the run was ended by `early_stopping`"


def test_fit_run_names_the_best_epoch_at_its_end(fitted, log, tmp_path):
    fitted(rows=({"epoch": 1, "val_loss": 2.0}, {"epoch": 2, "val_loss": 1.5}))
    assert log.messages[-1] == f"trained 2 epochs, the best is epoch 2 with val_loss 1.5: {tmp_path / 'out' / 'best'}"


@pytest.mark.parametrize(("side", "advice"), [(256, ""), (320, fit.QUICKER)])
def test_fit_run_advises_a_quicker_preset_on_a_cpu(fitted, side, advice):
    (call,) = fitted(input_size={"min_dim": side, "max_dim": side})
    assert call["callbacks"][4]._advice == advice
