"""Runs that end for want of memory, with TensorFlow's own error."""

import keras
import pytest
import tensorflow as tf

from mrcnn.config.load import load_train_config
from mrcnn.errors import OutOfMemory, UserError
from mrcnn.train import checkpoint, out_of_memory
from mrcnn.train.clock import Clock
from mrcnn.train.out_of_memory import Batch

from . import tiny


class Full(keras.callbacks.Callback):
    """Runs out of memory in a step, or before an epoch is validated; both counted from 0."""

    def __init__(self, *, epoch, step=None):
        super().__init__()
        self.where, self.epoch = (epoch, step), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.where:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    def on_epoch_end(self, epoch, logs=None):
        if (epoch, None) == self.where:
            raise MemoryError


def test_explained_knows_the_error_of_a_graph(run_at):
    @tf.function
    def fill(side):
        return tf.reduce_sum(tf.random.uniform([side, side]))

    with pytest.raises(OutOfMemory) as caught:
        run_at(lambda: fill(2**22))  # 4 * 2^44 bytes are 70 TB
    assert isinstance(caught.value.__cause__, tf.errors.ResourceExhaustedError)


def test_explained_names_the_batch_of_a_run_and_how_it_goes_on(train, tmp_path):
    with pytest.raises(OutOfMemory) as caught:
        train(tmp_path / "new", callbacks=(Full(epoch=0, step=1),))
    # the images are 48 x 64 pixels
    assert str(caught.value) == (
        "out of memory at epoch 1 step 2 of 3, a batch of 2 images in model inputs of 64x64 pixels: lower "
        "`batch_size.train` (2), `input_size.max_dim` (64) or `model.roi_samples` (32); no checkpoint is written yet, "
        "so start again"
    )

    with pytest.raises(OutOfMemory) as caught:
        train(tmp_path / "old", callbacks=(Full(epoch=1, step=0),))
    last = checkpoint.find_last(tmp_path / "old")
    assert last.name == "00000000"
    assert "out of memory at epoch 2 step 1 of 3" in str(caught.value)
    assert str(caught.value).endswith(
        f": lower `batch_size.train` (2), and `--resume` goes on from {last}; `input_size.max_dim` (64) or "
        "`model.roi_samples` (32) can be lowered in a new run only, which may start from there (`continue_training`)"
    )
    # 6 images in batches of 1: 6 steps
    log = train(tmp_path / "old", resume=True, batch_size={"train": 1, "val": 1}, epochs=2)
    assert "resuming" in " ".join(log.messages)
    changed = "the training set, the batch size or the number of devices changed: 6 training images in 3 steps"
    assert any(line.startswith(changed) for line in log.messages)
    assert (tmp_path / "old" / "00000001").is_dir()


def test_explained_names_the_validation(train, tmp_path):
    with pytest.raises(
        OutOfMemory, match=r"in the validation or a callback after epoch 1: lower `batch_size.val` \(2\)"
    ):
        train(tmp_path, callbacks=(Full(epoch=0),))


@pytest.fixture
def run_at(make_state, tmp_path):
    """Raises an error, or calls what does, inside the context, at epoch 0 step 2."""

    def call(error, **settings):
        config = load_train_config({**tiny.CONFIG, **settings})
        clock = Clock(make_state(0, 2))
        with out_of_memory.explained(clock, config=config, batch_at=lambda *at: Batch(4, 64, 128), root=tmp_path):
            if not isinstance(error, Exception):
                error()
            raise error

    return call


def test_explained_lists_no_batch_size_that_is_1(run_at):
    expected = "4 images in model inputs of 64x128 pixels: lower `input_size.max_dim` .64. or `model.roi_samples` .32.;"
    with pytest.raises(OutOfMemory, match=expected):
        run_at(MemoryError(), batch_size={"train": 1, "val": 1})


def test_explained_leaves_other_errors(run_at):
    with pytest.raises(tf.errors.InvalidArgumentError):
        run_at(tf.errors.InvalidArgumentError(None, None, "bad"))

    def bad_file():
        raise UserError("the file a.png is too large") from MemoryError()

    with pytest.raises(UserError, match=r"the file a\.png is too large"):
        run_at(bad_file)


@pytest.mark.parametrize(("last", "train"), [("00000000.step000002", 2), ("00000000", 1)])
def test_explained_advises_no_resume_that_would_be_refused(run_at, monkeypatch, last, train):
    # within an epoch no batch size may change, and a batch of one image cannot be smaller
    monkeypatch.setattr(checkpoint, "find_last", lambda root: root / last)
    new_run = rf"`model.roi_samples` \(32\) in a new run, which may start from .*{last} \("
    with pytest.raises(OutOfMemory, match=new_run) as caught:
        run_at(MemoryError(), batch_size={"train": train, "val": 1})
    assert "--resume" not in str(caught.value)
