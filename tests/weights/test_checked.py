"""HDF5 files that reach outside themselves, or unfold to far more than they are."""

import os

import h5py
import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.weights import checked


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.h5"


def refuse(path, message):
    with pytest.raises(UserError, match=message):
        checked.open_file(path)


def test_an_ordinary_file_is_opened(path):
    with h5py.File(path, "w") as file:
        file["conv1/kernel:0"] = np.arange(6.0).reshape(2, 3)
        file.create_dataset("packed", data=np.zeros((300, 300)), compression="gzip")
        file.create_dataset("empty", shape=(0, 5))
        file["scalar"] = 3.0
    with checked.open_file(path) as file:
        assert file["conv1/kernel:0"][1].tolist() == [3.0, 4.0, 5.0]


def test_one_object_under_two_names_and_a_group_inside_itself(path):
    with h5py.File(path, "w") as file:
        file["a/values"] = np.ones(3)
        file["b"] = file["a/values"]
        file["a/again"] = file["a"]
    with checked.open_file(path) as file:
        assert file["b"][()].tolist() == [1.0, 1.0, 1.0]


def test_values_in_another_file_are_refused(path, tmp_path):
    (tmp_path / "secret.txt").write_bytes(b"password")
    with h5py.File(path, "w") as file:
        file.create_dataset("conv1/kernel:0", (2,), "<f4", external=[(str(tmp_path / "secret.txt"), 0, 8)])
    refuse(path, r"model\.h5: /conv1/kernel:0 has its values in another file, .*secret\.txt; store them in this one")


def test_links_are_refused(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.ones(2)
    with h5py.File(path, "w") as file:
        file["conv1"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
    refuse(path, r"/conv1 is a link to another file, .*other\.h5; copy what it leads to into this file")
    with h5py.File(path, "w") as file:
        file["loop"] = h5py.SoftLink("/loop")
    refuse(path, r"/loop is a soft link")


def test_a_virtual_data_set_is_refused(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.ones(2)
    layout = h5py.VirtualLayout((2,), "<f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (2,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("conv1/kernel:0", layout)
    refuse(path, r"/conv1/kernel:0 is composed of other data sets \(virtual\)")


def test_shapes_without_values_and_shapes_too_large_are_refused(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("big", (1000, 1000), "<f8")  # 8 MB, none of it stored
    assert path.stat().st_size < 10_000
    refuse(path, r"/big has the shape \(1000, 1000\) but no stored value")
    with h5py.File(path, "w") as file:
        file.create_dataset("huge", (2**40,), "<f4", chunks=(1024,))
    refuse(path, r"/huge has the shape \(1099511627776,\), 4398046511104 bytes, more than any model has")


def test_a_data_set_without_any_value_is_refused(path):
    with h5py.File(path, "w") as file:
        file["nothing"] = h5py.Empty("<f4")
    refuse(path, "/nothing has no value")


def test_data_sets_that_are_too_large_together_are_refused(path, monkeypatch):
    monkeypatch.setattr(checked, "MOST_BYTES", 1000)
    with h5py.File(path, "w") as file:
        for index in range(3):  # 400 bytes each: the third is beyond
            file.create_dataset(f"{index}", data=np.zeros(50), compression="gzip")
    refuse(path, "unpacks to more than 1000 bytes")


def test_too_many_objects_are_refused(path, monkeypatch):
    monkeypatch.setattr(checked, "MOST_OBJECTS", 10)
    with h5py.File(path, "w") as file:
        for index in range(10):
            file.create_group(f"{index}")
    refuse(path, "has more than 10 objects")


def test_what_is_no_hdf5_file_is_named(path, tmp_path):
    refuse(tmp_path, "is a folder")
    refuse(path, "does not exist")
    os.mkfifo(tmp_path / "pipe.h5")
    refuse(tmp_path / "pipe.h5", r"pipe\.h5 is no regular file")
    path.touch()
    refuse(path, "is not an HDF5 file: it is empty")
    path.write_bytes(b"PK\3\4 zip archive")
    refuse(path, r"is not an HDF5 file: it starts with b'PK")
    path.write_bytes(checked.SIGNATURE)
    refuse(path, r"is damaged or cut short \(8 bytes\): copy or download it again")


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


def test_chunks_larger_than_their_data_set_are_refused(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (1,), "<f4", chunks=(2**20,), maxshape=(None,), compression="gzip")
    refuse(path, r"/a is stored in chunks of 4194304 bytes, more than the 4 of all its values")
