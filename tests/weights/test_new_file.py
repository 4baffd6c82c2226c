import subprocess
import sys

import h5py
import numpy as np
import pytest

from mrcnn.weights import new_file

# a process of its own: the limit cannot be raised again, and HDF5 alone ends in a segmentation fault here
LIMITED = """
import resource, sys
import numpy as np
from mrcnn.weights import new_file
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    with new_file.create(sys.argv[1]) as handle:
        for index in range(40):
            handle[f"a/{index}"] = np.ones(5_000, np.float32)
except OSError as error:
    print(error)
"""


def test_create_writes_what_h5py_reads(tmp_path):
    values = np.arange(300_000, dtype=np.float32)
    with new_file.create(tmp_path / "a.h5") as handle:
        handle["x/y"] = values
        handle["empty"] = np.zeros((0, 3), np.int8)
        handle.attrs["name"] = np.bytes_("n")
    with h5py.File(tmp_path / "a.h5") as handle:
        np.testing.assert_array_equal(handle["x/y"][()], values)
        assert (handle["empty"].shape, handle.attrs["name"]) == ((0, 3), b"n")


def test_create_gives_one_error_at_a_size_limit(tmp_path):
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path / "a.h5")], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[Errno 27] File too large\n", "")


@pytest.mark.parametrize("operation", ["write", "truncate"])
def test_create_gives_the_first_error_of_a_broken_disk(tmp_path, monkeypatch, operation):
    class Broken(new_file.io.FileIO):
        def write(self, data):
            if operation == "write" and self.tell() > 10_000:
                raise OSError(5, f"Input/output error at {self.tell()}")
            return super().write(data)

        def truncate(self, size=None):
            if operation == "truncate" and size:
                raise OSError(5, "Input/output error")
            return super().truncate(size)

    monkeypatch.setattr("builtins.open", lambda path, mode, buffering: Broken(path, "w+"))
    with pytest.raises(OSError, match="Input/output error") as caught, new_file.create(tmp_path / "a.h5") as handle:
        handle["a"] = np.ones(50_000, np.float32)
    assert caught.value.errno == 5


def test_create_lets_the_bodys_own_error_through(tmp_path):
    with pytest.raises(ZeroDivisionError), new_file.create(tmp_path / "a.h5") as handle:
        handle["a"] = 1 / 0


def test_create_names_a_place_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError), new_file.create(tmp_path / "missing" / "a.h5"):
        pass
