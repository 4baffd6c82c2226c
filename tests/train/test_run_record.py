from types import SimpleNamespace

import pytest

from mrcnn.card import facts
from mrcnn.card.facts import BestFacts, Energy, Machine, Process, RunFacts
from mrcnn.train import run_record
from mrcnn.train.clock import Clock
from mrcnn.train.optional_files import OptionalFiles
from mrcnn.train.run_record import RunRecord

BEFORE = Process(began="2026-01-01T00:00:00+00:00", seconds=100.0, epochs=2)


class FakeMeter:
    """Returns 1 kWh at first, then 2, and so on."""

    def __init__(self, error=None):
        self.calls, self.error = [], error

    def _call(self, name):
        self.calls.append(name)
        if self.error:
            raise self.error

    def start(self):
        self._call("start")

    def read(self):
        self._call("read")
        return Energy(kwh=self.calls.count("read"), kg_co2=2, source="a", country="DEU")

    def stop(self):
        self._call("stop")


@pytest.fixture
def seconds(monkeypatch):
    """Sets the time by hand."""
    now = [1000.0]
    monkeypatch.setattr(run_record, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def make(tmp_path, state, log, *, start=None, **more):
    clock = Clock(state)
    record = RunRecord(
        clock,
        tmp_path / "run.json",
        start=start or RunFacts(),
        machine=Machine(cores=4),
        optional_files=OptionalFiles(log),
        **more,
    )
    return clock, record


def end_epoch(clock, record, epoch, **row):
    clock.rows.append({"epoch": epoch + 1, **row})
    record.on_epoch_end(epoch)


def test_the_record_grows_with_each_epoch(tmp_path, make_state, log, seconds):
    clock, record = make(tmp_path, make_state(), log, describe=lambda epoch: BestFacts(epoch=epoch))
    with record.completed():
        record.on_train_begin()
        assert facts.read(tmp_path / "run.json").processes[0].seconds == 0
        seconds[0] += 60
        end_epoch(clock, record, 0, val_loss=2.0)
        found = facts.read(tmp_path / "run.json")
        assert (found.processes[0].seconds, found.processes[0].epochs, found.best.epoch) == (60.0, 1, 1)
        assert found.processes[0].machine.cores == 4
        seconds[0] += 60
        end_epoch(clock, record, 1, val_loss=3.0)  # worse
        end_epoch(clock, record, 2)  # not validated
        assert facts.read(tmp_path / "run.json").best.epoch == 1
        end_epoch(clock, record, 3, val_loss=1.0)
        seconds[0] += 30
    found = facts.read(tmp_path / "run.json")
    assert (found.processes[0].seconds, found.processes[0].epochs, found.best.epoch) == (150.0, 4, 4)


def test_the_record_is_written_when_a_signal_ends_the_run(tmp_path, make_state, log, seconds):
    meter = FakeMeter()
    _, record = make(tmp_path, make_state(), log, meter=meter)

    def train():
        with record.completed():
            seconds[0] += 7
            raise SystemExit(143)

    with pytest.raises(SystemExit):
        train()
    (process,) = facts.read(tmp_path / "run.json").processes
    assert (process.seconds, process.energy.kwh) == (7.0, 1.0)
    assert meter.calls == ["start", "read", "stop"]


def test_a_resumed_run_keeps_its_hours(tmp_path, make_state, log, seconds):
    facts.write(
        tmp_path / "run.json", RunFacts(parameters=1, processes=(BEFORE,), best=BestFacts(epoch=2), skipped_train=3)
    )
    start = run_record.with_earlier(RunFacts(parameters=5), tmp_path / "run.json", warn=log.warning)
    _, record = make(tmp_path, make_state(), log, start=start, skipped=lambda: (1, 2))
    seconds[0] += 50
    record.write()
    found = facts.read(tmp_path / "run.json")
    assert found.processes[0] == BEFORE
    assert found.hours == (100 + 50) / 3600
    assert (found.parameters, found.best.epoch, found.skipped_train, found.skipped_val) == (5, 2, 3, 2)
    assert found.is_complete
    assert log.messages == []


def test_a_meter_that_fails_is_a_warning(tmp_path, make_state, log):
    meter = FakeMeter(error=RuntimeError("no power"))
    clock, record = make(tmp_path, make_state(), log, meter=meter)
    with record.completed():
        end_epoch(clock, record, 0)
    assert log.messages == ["measuring the energy failed: no power; the run goes on without"]
    (process,) = facts.read(tmp_path / "run.json").processes
    assert (process.epochs, process.energy) == (1, None)


@pytest.mark.parametrize("text", [None, "{"])
def test_a_resumed_run_without_its_record_says_so(tmp_path, log, text):
    path = tmp_path / "run.json"
    if text is not None:
        path.write_text(text)
    assert not run_record.with_earlier(RunFacts(), path, warn=log.warning).is_complete
    (line,) = log.messages
    assert line.endswith("; the model card counts the hours from now on")


def test_a_record_that_cannot_be_written_is_a_warning(tmp_path, make_state, log):
    def describe(epoch):
        raise RuntimeError("no picture")

    (tmp_path / "run.json").mkdir()
    clock, record = make(tmp_path, make_state(), log, describe=describe)
    end_epoch(clock, record, 0, val_loss=1.0)
    end_epoch(clock, record, 1, val_loss=0.5)
    first, second = log.messages  # once each
    assert first == "recording the best epoch for the model card failed: no picture; the run goes on without"
    assert second.startswith(f"writing {tmp_path / 'run.json'} failed: ")
