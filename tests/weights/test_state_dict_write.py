"""Written files: read back here, by PyTorch itself where it is installed, and byte for byte the same twice."""

import io
import json
import os
import pickletools
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from mrcnn.errors import UserError
from mrcnn.weights import state_dict, state_dict_write
from tests.weights.torch_examples import STATE, check_equal

ROOT = Path(__file__).parents[2]
TORCH = os.environ.get("MRCNN_TORCH_PYTHON")
WRITERS = (state_dict_write.write_torch, state_dict_write.write_safetensors)
TENSORS = {
    **STATE,
    "big_endian": np.arange(3, dtype=">i4"),
    "columns_first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "a name with ü and \n": np.float32([1]),
    "empty_middle": np.zeros((2, 0, 3), np.float16),
}
EXPECTED = {**TENSORS, "big_endian": np.arange(3, dtype=np.int32)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pth"


def test_write_torch_writes_what_is_read_back_in_order(path):
    state_dict_write.write_torch(path, TENSORS)
    assert state_dict.is_state_dict(path)
    found = state_dict.read_state_dict(path)
    check_equal(found.tensors, EXPECTED)
    assert (found.form, found.ignored) == ("PyTorch", 0)


def test_write_safetensors_writes_what_is_read_back(path):
    tensors = {**TENSORS, "uint16": np.uint16([65535]), "uint64": np.uint64([2**64 - 1])}
    state_dict_write.write_safetensors(path, tensors)
    assert state_dict.is_state_dict(path)
    found = state_dict.read_state_dict(path).tensors
    assert found.keys() == tensors.keys()
    check_equal({name: found[name] for name in tensors}, {**tensors, "big_endian": EXPECTED["big_endian"]})
    check_equal({name: safetensors.numpy.load_file(path)[name] for name in EXPECTED}, EXPECTED)


def test_write_torch_aligns_uncompressed_members(path):
    state_dict_write.write_torch(path, TENSORS)
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        members = file.infolist()
        names = ["archive/data.pkl", "archive/byteorder", *(f"archive/data/{i}" for i in range(20)), "archive/version"]
        assert [member.filename for member in members] == names
        data = path.read_bytes()
        for member in members:
            assert member.compress_type == zipfile.ZIP_STORED
            name, extra = (int.from_bytes(data[member.header_offset + i :][:2], "little") for i in (26, 28))
            start = member.header_offset + 30 + name + extra
            assert start % 64 == 0
            assert data[start : start + member.file_size] == file.read(member)
        assert file.read("archive/byteorder") == b"little"
        assert file.read("archive/version") == b"3\n"
        assert file.read("archive/data/0") == STATE["table"].tobytes()
        pickletools.dis(file.read("archive/data.pkl"), out=io.StringIO())  # checks the stack too


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_write_torch_and_write_safetensors_give_the_same_bytes_in_another_process(write, path):
    write(path, STATE)
    first = path.read_bytes()
    code = (
        "import sys; from mrcnn.weights import state_dict_write; from tests.weights.torch_examples import STATE; "
        f"state_dict_write.{write.__name__}(sys.argv[1], STATE)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=ROOT)
    assert path.read_bytes() == first


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_write_torch_and_write_safetensors_keep_the_former_file_when_they_fail(write, path, tmp_path):
    write(path, STATE)
    former = path.read_bytes()
    for wrong in (np.complex64([1]), np.array(["a"]), np.array([None])):
        with pytest.raises(UserError, match=r"the tensor b has values of type .*, (PyTorch|safetensors) files hold "):
            write(path, {"a": np.ones(2), "b": wrong})
    with pytest.raises(UserError, match="cannot write the weight file"):
        write(tmp_path / "missing" / "model.pth", STATE)
    assert path.read_bytes() == former
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_write_torch_refuses_types_that_pytorch_has_not(path):
    with pytest.raises(UserError, match=r"the tensor a has values of type uint16, PyTorch files hold float32"):
        state_dict_write.write_torch(path, {"a": np.uint16([1])})
    assert not path.exists()


def test_write_torch_writes_large_numbers_as_long():
    assert state_dict_write._number(2**31 - 1) == b"J\xff\xff\xff\x7f"
    assert state_dict_write._number(2**31) == b"\x8a\x08\x00\x00\x00\x80\x00\x00\x00\x00"


CHECK = """
import json, sys, torch
path, mapped = sys.argv[1], sys.argv[2] == "True"
state = torch.load(path, weights_only=True, mmap=mapped)
print(json.dumps([type(state).__name__, {
    name: [str(value.dtype), list(value.shape), value.is_contiguous(), value.flatten().tolist()]
    for name, value in state.items()
}]))
"""


@pytest.mark.skipif(not TORCH, reason="set MRCNN_TORCH_PYTHON to a Python with PyTorch")
@pytest.mark.parametrize("mapped", [False, True])
def test_write_torch_writes_what_pytorch_reads(path, mapped):
    state_dict_write.write_torch(path, TENSORS)
    done = subprocess.run([TORCH, "-c", CHECK, str(path), str(mapped)], capture_output=True, text=True, check=True)
    kind, found = json.loads(done.stdout)
    assert kind == "OrderedDict"
    assert list(found) == list(EXPECTED)
    for name, values in EXPECTED.items():
        dtype, shape, contiguous, listed = found[name]
        assert (dtype, shape, contiguous) == (f"torch.{values.dtype}", list(values.shape), True), name
        assert listed == values.ravel().tolist(), name
