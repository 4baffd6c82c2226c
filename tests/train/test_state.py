import dataclasses
import json

import h5py
import keras
import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.train import state as states


def test_a_state_comes_back_as_it_was(tmp_path, make_state, arrays):
    rows = ({"epoch": 1, "loss": 0.1, "val_box_ap": float("nan")}, {"epoch": 2, "loss": 1 / 3})
    names = {"val_images": 4, "train_names": 2**32 - 1, "val_names": 0}
    names["back_ends"] = ("TensorFlow", "JAX")
    before = make_state(2, 1, rows=rows, optimizer=arrays, metrics=(np.float32(0.25),), weights=arrays[:1], **names)
    states.write(tmp_path / states.FILE, before)
    after = states.read(tmp_path / states.FILE)
    for field in dataclasses.fields(before):
        if field.name not in states.GROUPS:
            assert repr(getattr(after, field.name)) == repr(getattr(before, field.name)), field.name
    assert [value.dtype for value in after.optimizer] == [np.float32, np.int64]
    for got, wanted in zip((*after.optimizer, *after.metrics, *after.weights), (*arrays, 0.25, arrays[0]), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_long_history_fits(tmp_path, make_state):
    rows = tuple(
        {"epoch": epoch, "loss": 1 / (epoch + 1)} for epoch in range(4000)
    )  # more than an HDF5 attribute holds
    states.write(tmp_path / states.FILE, make_state(4000, rows=rows))
    assert states.read(tmp_path / states.FILE).rows == rows


def test_more_than_ten_variables_keep_their_order(tmp_path, make_state):
    values = tuple(np.float32(index) for index in range(12))
    states.write(tmp_path / states.FILE, make_state(optimizer=values))
    np.testing.assert_array_equal(states.read(tmp_path / states.FILE).optimizer, range(12))


def test_a_missing_or_damaged_file_is_an_error_of_the_user(tmp_path, make_state):
    path = tmp_path / states.FILE
    with pytest.raises(UserError, match="there is no training state"):
        states.read(path)
    path.write_bytes(b"no HDF5")
    with pytest.raises(UserError, match=r"training_state\.h5 is not an HDF5 file"):
        states.read(path)
    with h5py.File(path, "w") as handle:
        handle["state"] = np.bytes_(b'{"version": 99}')
    with pytest.raises(UserError, match="version 99, expected 1"):
        states.read(path)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epoch", "2", '`epoch` must be a whole number, got "2"'),
        ("step", -1, "`step` must be a whole number, got -1"),
        ("val_images", "3", '`val_images` must be a whole number, got "3"'),
        ("train_names", -1, "`train_names` must be a whole number, got -1"),
        ("seed", None, "`seed` must be a whole number, got null"),
        ("back_ends", "JAX", '`back_ends` must be a list of names, got "JAX"'),
        ("back_ends", ["JAX", 3], r'`back_ends` must be a list of names, got \["JAX", 3\]'),
        ("rows", {}, "`rows` must be a list of objects with numbers"),
        ("rows", [3], "`rows` must be a list of objects with numbers"),
        ("rows", [{"val_loss": "low"}], "`rows` must be a list of objects with numbers"),
    ],
)
def test_a_field_of_another_kind_is_named(tmp_path, make_state, field, value, message):
    path = tmp_path / states.FILE
    states.write(path, make_state())
    with h5py.File(path, "r+") as handle:
        fields = json.loads(bytes(handle["state"][()]))
        del handle["state"]
        handle["state"] = np.bytes_(json.dumps({**fields, field: value}).encode())
    with pytest.raises(UserError, match=message):
        states.read(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: file.create_dataset("optimizer/0000", data=np.bytes_(b"x")), "/optimizer/0000 must hold numbers"),
        (lambda file: file.create_group("optimizer/0000"), "training_state.h5 is damaged"),
        (lambda file: file.create_dataset("optimizer/0000", (2,), "<f4", external=[("/etc/hostname", 0, 8)]),
         "/optimizer/0000 has its values in another file"),
    ],
)  # fmt: skip
def test_variables_that_are_no_numbers_of_this_file_are_refused(tmp_path, make_state, make, message):
    path = tmp_path / states.FILE
    states.write(path, make_state())
    with h5py.File(path, "r+") as handle:
        make(handle)
    with pytest.raises(UserError, match=message):
        states.read(path)


def test_put_back_values_go_back_into_variables(arrays):
    variables = [keras.Variable(np.zeros((2, 3), np.float32)), keras.Variable(0, dtype="int64")]
    states.put_back(variables, arrays, what="optimizer")
    for got, wanted in zip(states.values_of(variables), arrays, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_put_back_other_shapes_are_refused_before_anything_changes(arrays):
    variables = [keras.Variable(np.ones((2, 3), np.float32)), keras.Variable(np.zeros(2, np.float32))]
    with pytest.raises(UserError, match="2 optimizer variables of other shapes than this run's 2"):
        states.put_back(variables, arrays, what="optimizer")
    np.testing.assert_array_equal(variables[0].numpy(), 1)


def test_read_takes_a_state_of_an_older_version_without_the_newer_counts(tmp_path, make_state):
    path = tmp_path / states.FILE
    states.write(path, make_state(val_images=3, train_names=1, val_names=2, back_ends=("JAX",)))
    with h5py.File(path, "r+") as handle:
        fields = json.loads(bytes(handle["state"][()]))
        del handle["state"], fields["back_ends"], fields["val_images"], fields["train_names"], fields["val_names"]
        handle["state"] = np.bytes_(json.dumps(fields).encode())
    found = states.read(path)
    assert (found.train_images, found.val_images, found.train_names, found.val_names) == (12, None, None, None)
    assert found.back_ends == ()
