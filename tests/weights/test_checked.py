"""HDF5 files that reach outside themselves, or unfold to far more than they are."""

import os
import re

import h5py
import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.weights import checked


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.h5"


def refusal(path):
    """Returns the message with which `open_file` refuses a file."""
    with pytest.raises(UserError) as error:
        checked.open_file(path)
    return str(error.value)


def test_open_file_opens_an_ordinary_file(path):
    with h5py.File(path, "w") as file:
        file["conv1/kernel:0"] = np.arange(6.0).reshape(2, 3)
        file.create_dataset("packed", data=np.zeros((300, 300)), compression="gzip")
        file.create_dataset("empty", shape=(0, 5))
        file["scalar"] = 3.0
    with checked.open_file(path) as file:
        assert file["conv1/kernel:0"][1].tolist() == [3.0, 4.0, 5.0]


def test_open_file_reads_an_object_under_two_names_and_a_group_inside_itself(path):
    with h5py.File(path, "w") as file:
        file["a/values"] = np.ones(3)
        file["b"] = file["a/values"]
        file["a/again"] = file["a"]
    with checked.open_file(path) as file:
        assert file["b"][()].tolist() == [1.0, 1.0, 1.0]


def test_open_file_refuses_values_in_another_file(path, tmp_path):
    (tmp_path / "secret.txt").write_bytes(b"password")
    with h5py.File(path, "w") as file:
        file.create_dataset("conv1/kernel:0", (2,), "<f4", external=[(str(tmp_path / "secret.txt"), 0, 8)])
    assert re.search(
        r"model\.h5: /conv1/kernel:0 has its values in another file, .*secret\.txt; store them in this one",
        refusal(path),
    )


def test_open_file_refuses_links(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.ones(2)
    with h5py.File(path, "w") as file:
        file["conv1"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
    assert re.search(
        r"/conv1 is a link to another file, .*other\.h5; copy what it leads to into this file", refusal(path)
    )
    with h5py.File(path, "w") as file:
        file["loop"] = h5py.SoftLink("/loop")
    assert re.search(r"/loop is a soft link", refusal(path))


def test_open_file_refuses_a_virtual_data_set(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.ones(2)
    layout = h5py.VirtualLayout((2,), "<f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (2,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("conv1/kernel:0", layout)
    assert re.search(r"/conv1/kernel:0 is composed of other data sets \(virtual\)", refusal(path))


def test_open_file_refuses_shapes_without_values_and_shapes_too_large(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("big", (1000, 1000), "<f8")  # 8 MB, none of it stored
    assert path.stat().st_size < 10_000
    assert re.search(r"/big has the shape \(1000, 1000\) but no stored value", refusal(path))
    with h5py.File(path, "w") as file:
        file.create_dataset("huge", (2**40,), "<f4", chunks=(1024,))
    assert re.search(
        r"/huge has the shape \(1099511627776,\), 4398046511104 bytes, more than any model has", refusal(path)
    )


def test_open_file_refuses_a_data_set_without_any_value(path):
    with h5py.File(path, "w") as file:
        file["nothing"] = h5py.Empty("<f4")
    assert re.search("/nothing has no value", refusal(path))


def test_open_file_refuses_data_sets_that_are_too_large_together(path, monkeypatch):
    monkeypatch.setattr(checked, "MOST_BYTES", 1000)
    with h5py.File(path, "w") as file:
        for index in range(3):  # 400 bytes each: the third is beyond
            file.create_dataset(f"{index}", data=np.zeros(50), compression="gzip")
    assert re.search("unpacks to more than 1000 bytes", refusal(path))


def test_open_file_refuses_too_many_objects(path, monkeypatch):
    monkeypatch.setattr(checked, "MOST_OBJECTS", 10)
    with h5py.File(path, "w") as file:
        for index in range(10):
            file.create_group(f"{index}")
    assert re.search("has more than 10 objects", refusal(path))


def test_open_file_names_what_is_no_hdf5_file(path, tmp_path):
    assert re.search("is a folder", refusal(tmp_path))
    assert re.search("does not exist", refusal(path))
    os.mkfifo(tmp_path / "pipe.h5")
    assert re.search(r"pipe\.h5 is no regular file", refusal(tmp_path / "pipe.h5"))
    path.touch()
    assert re.search("is not an HDF5 file: it is empty", refusal(path))
    path.write_bytes(b"PK\3\4 zip archive")
    assert re.search(r"is not an HDF5 file: it starts with b'PK", refusal(path))
    path.write_bytes(checked.SIGNATURE)
    assert re.search(r"is damaged or cut short \(8 bytes\): copy or download it again", refusal(path))


def test_damaged_names_the_error_and_passes_others_through(path):
    path.write_bytes(b"12345")

    def read(error):
        with checked.damaged(path, what="training state"):
            raise error

    with pytest.raises(UserError, match=r"the training state .*model\.h5 is damaged or cut short \(5 bytes\)"):
        read(RuntimeError("Unable to synchronously open object"))
    with pytest.raises(UserError, match=r"^mine$"):
        read(UserError("mine"))
    with pytest.raises(KeyboardInterrupt):
        read(KeyboardInterrupt())


def test_open_file_refuses_chunks_larger_than_their_data_set(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (1,), "<f4", chunks=(2**20,), maxshape=(None,), compression="gzip")
    assert re.search(r"/a is stored in chunks of 4194304 bytes, more than the 4 of all its values", refusal(path))


def test_size_of_multiplies_the_sides():
    assert checked.size_of((2, 3), 4, where="x") == 24
    assert checked.size_of((), 8, where="x") == 8
    assert checked.size_of((5, 0), 8, where="x") == 0
    assert checked.size_of((checked.MOST_BYTES,), 1, where="x") == checked.MOST_BYTES


@pytest.mark.parametrize("shape", [(-1,), (1.0,), ("2",), (True,), (None,), (1,) * 33, ((1,),)])
def test_size_of_refuses_sides_that_are_no_counts(shape):
    with pytest.raises(UserError, match=r"^the file x has an array with the shape \("):
        checked.size_of(shape, 4, where="the file x")


@pytest.mark.parametrize("shape", [(checked.MOST_BYTES + 1,), (2**16, 2**16), (0, 2**40), (2**2000,)])
def test_size_of_refuses_more_than_any_model_has(shape):
    with pytest.raises(UserError, match="more than any model has"):
        checked.size_of(shape, 1, where="x")
