import json
import os
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.train import checkpoint
from mrcnn.train import state as states
from mrcnn.train.checkpoint import CheckpointStore
from mrcnn.weights import hdf5

CONFIG = {"settings": {"lr": 0.1}, "classes": [], "class_title_to_idx": {"bg": 0, "Ä": 1}, "model": {}}


@pytest.fixture
def variable():
    return keras.Variable(np.zeros((2,), np.float32))


@pytest.fixture
def make_store(tmp_path, variable):
    def make(**fields):
        layout = [("conv1", [("conv1/bias:0", variable)])]
        return CheckpointStore(tmp_path / "out", layout=layout, config=CONFIG, **fields)

    return make


def names(store):
    return sorted(path.name for path in store.root.iterdir())


def test_checkpoint_store_epoch_has_the_original_layout(make_store, make_state, variable):
    store = make_store()
    variable.assign([1.0, 2.0])
    folder = store.save_epoch(make_state(1), best=True)
    assert names(store) == ["00000000", "best", "last"]
    text = (folder / "config.json").read_text(encoding="utf-8")
    assert json.loads(text) == CONFIG
    assert text.startswith('{\n    "settings"')  # indent 4
    with hdf5.read_file(folder / "model_weights" / "model.h5") as file:
        np.testing.assert_array_equal(file.layers["conv1"]["conv1/bias:0"][()], [1, 2])
    assert states.read(folder / states.FILE).epoch == 1
    assert os.readlink(store.root / "best") == os.readlink(store.root / "last") == "00000000"


def test_checkpoint_store_links_move_and_only_the_newest_has_the_state(make_store, make_state):
    store = make_store()
    for epoch, best in ((1, True), (2, True), (3, False)):
        store.save_epoch(make_state(epoch), best=best)
    assert os.readlink(store.root / "best") == "00000001"
    assert os.readlink(store.root / "last") == "00000002"
    assert [path.parent.name for path in sorted(store.root.glob("0*/training_state.h5"))] == ["00000002"]
    assert names(store) == ["00000000", "00000001", "00000002", "best", "last"]


def test_checkpoint_store_pruning_keeps_the_newest_and_the_best(make_store, make_state):
    store = make_store(keep=1)
    for epoch in range(1, 5):
        store.save_epoch(make_state(epoch), best=epoch == 2)
    assert names(store) == ["00000001", "00000003", "best", "last"]


def test_checkpoint_store_stopped_run_has_its_own_folder_until_the_epoch_is_done(make_store, make_state):
    store = make_store()
    store.save_epoch(make_state(1), best=True)
    stopped = store.save_stopped(make_state(1, 2))
    assert stopped.name == "00000001.step000002"
    assert checkpoint.find_last(store.root) == stopped.resolve()
    assert store.save_stopped(make_state(1, 2)) == stopped.resolve()  # again at the same step: nothing new
    store.save_epoch(make_state(2), best=False)
    assert names(store) == ["00000000", "00000001", "best", "last"]


def test_checkpoint_store_run_stopped_between_epochs_needs_no_new_folder(make_store, make_state):
    store = make_store()
    folder = store.save_epoch(make_state(1), best=True)
    assert store.save_stopped(make_state(1, 0)) == folder.resolve()
    assert names(store) == ["00000000", "best", "last"]


def test_checkpoint_store_run_stopped_before_its_first_checkpoint_is_saved(make_store, make_state):
    store = make_store()
    assert store.save_stopped(make_state(0, 0)).name == "00000000.step000000"
    assert checkpoint.holds_checkpoints(store.root)


def test_checkpoint_store_leftovers_of_a_killed_process_are_cleared(make_store, make_state):
    store = make_store()
    (store.root / ".00000000.partial").mkdir()
    (store.root / ".best.partial").symlink_to("nowhere")
    (store.root / "00000000" / "model_weights").mkdir(parents=True)  # half removed
    (store.root / "mine.txt").touch()
    store = make_store()
    assert names(store) == ["mine.txt"]
    assert (store.save_epoch(make_state(1), best=True) / "config.json").is_file()
    assert names(store) == ["00000000", "best", "last", "mine.txt"]


def test_checkpoint_store_failed_write_leaves_the_last_checkpoint_alone(make_store, make_state, monkeypatch):
    store = make_store()
    store.save_epoch(make_state(1), best=True)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.states, "write", full)
    with pytest.raises(UserError, match=r"cannot write the checkpoint .*00000001: No space left on device"):
        store.save_epoch(make_state(2), best=True)
    assert os.readlink(store.root / "last") == "00000000"
    assert names(store) == ["00000000", "best", "last"]  # what was half written makes room


@pytest.mark.parametrize("links", [(), ("best",), ("best", "last")])
def test_find_last_and_repair_after_a_kill_before_the_links(make_store, make_state, links):
    store = make_store()
    store.save_epoch(make_state(1), best=True)
    for link in links or ("best", "last"):
        (store.root / link).unlink()
    assert checkpoint.find_last(store.root) == (store.root / "00000000").resolve()
    assert checkpoint.holds_checkpoints(store.root)
    checkpoint.repair(store.root, best=0)
    assert names(store) == ["00000000", "best", "last"]
    assert os.readlink(store.root / "best") == os.readlink(store.root / "last") == "00000000"


def test_find_last_prefers_what_is_newer_than_the_link(make_store, make_state):
    store = make_store()
    for epoch, step in ((1, 0), (1, 2), (2, 0), (2, 1)):
        if step:
            store.save_stopped(make_state(epoch, step))
        else:
            store.save_epoch(make_state(epoch), best=epoch == 1)
        newest = checkpoint.find_last(store.root)
        (store.root / "last").unlink()
        (store.root / "last").symlink_to("00000000")
        assert checkpoint.find_last(store.root) == newest
    assert newest.name == "00000002.step000001"
    checkpoint.repair(store.root, best=0)
    assert os.readlink(store.root / "last") == newest.name


def test_repair_drops_a_best_that_leads_nowhere(make_store, make_state):
    store = make_store()
    store.save_epoch(make_state(1), best=False)
    (store.root / "best").symlink_to("00000007")
    checkpoint.repair(store.root, best=7)
    assert names(store) == ["00000000", "last"]


def test_checkpoint_store_pruning_that_is_killed_leaves_no_folder_without_weights(make_store, make_state, monkeypatch):
    store = make_store(keep=1)
    store.save_epoch(make_state(1), best=True)
    remove = shutil.rmtree

    def remove_half(path, **kwargs):
        remove(path / "model_weights", **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", remove_half)
    with pytest.raises(KeyboardInterrupt):
        store.save_epoch(make_state(2), best=True)
    assert names(store) == [".00000000.old", "00000001", "best", "last"]
    monkeypatch.undo()
    checkpoint.repair(store.root, best=1)
    assert names(store) == ["00000001", "best", "last"]


def test_repair_finishes_the_pruning_of_the_last_epoch(make_store, make_state, monkeypatch):
    store = make_store(keep=1)
    for epoch in (1, 2):
        store.save_epoch(make_state(epoch), best=True)
    monkeypatch.setattr(checkpoint, "_prune", lambda *_, **__: None)
    store.save_epoch(make_state(3), best=True)
    assert names(store) == ["00000001", "00000002", "best", "last"]
    assert len(list(store.root.glob("0*/training_state.h5"))) == 2
    monkeypatch.undo()
    checkpoint.repair(store.root, best=2, keep=None)
    assert [path.parent.name for path in store.root.glob("0*/training_state.h5")] == ["00000002"]
    checkpoint.repair(store.root, best=2, keep=1)
    assert names(store) == ["00000002", "best", "last"]


def test_checkpoint_store_folder_of_the_users_is_neither_removed_nor_written_into(make_store):
    store = make_store()
    (store.root / "00000000").mkdir()
    (store.root / "00000000" / "photo.png").touch()
    assert names(make_store()) == ["00000000"]
    with pytest.raises(UserError, match="holds a run's checkpoints; add --resume to go on with it, or give another"):
        checkpoint.check_place(store.root, resume=False)


def test_check_place_refuses_a_folder_where_a_link_goes(tmp_path):
    (tmp_path / "best").mkdir()
    with pytest.raises(UserError, match=r"best must be a link that a run makes anew, it is none; move it away"):
        checkpoint.check_place(tmp_path, resume=False)


def test_check_place_refuses_a_disk_without_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    with pytest.raises(UserError, match=r"cannot write to the output .*out: Operation not permitted; name"):
        checkpoint.check_place(tmp_path / "out", resume=False)
    assert not list(tmp_path.iterdir())


def test_holds_checkpoints_no_run_is_found_where_there_is_none(tmp_path):
    assert checkpoint.find_last(tmp_path) is None
    assert not checkpoint.holds_checkpoints(tmp_path)
    assert not checkpoint.holds_checkpoints(tmp_path / "missing")


def test_the_size_leaves_the_state_out(make_store, make_state, arrays):
    store = make_store()
    folder = store.save_epoch(make_state(1, optimizer=arrays), best=True)
    files = [folder / "config.json", folder / "model_weights" / "model.h5"]
    assert checkpoint.size_of(folder) == sum(path.stat().st_size for path in files)
    with h5py.File(folder / states.FILE) as handle:
        assert len(handle["optimizer"]) == 2


def test_weights_without_a_config_are_no_leftover(tmp_path):
    weights = tmp_path / "00000007" / "model_weights" / "model.h5"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"mine")
    with pytest.raises(UserError, match="holds a run's checkpoints"):
        checkpoint.check_place(tmp_path, resume=False)
    CheckpointStore(tmp_path, layout=[], config={})
    assert weights.read_bytes() == b"mine"


def test_is_stopped_goes_by_the_name(tmp_path):
    assert checkpoint.is_stopped(tmp_path / "00000001.step000002")
    assert not checkpoint.is_stopped(tmp_path / "00000001")
