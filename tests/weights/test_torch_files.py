"""Files in both forms of PyTorch: what their tensors may refer to, and what their archives may hold."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.weights import checked, pickles, torch_files
from tests.weights.torch_examples import (
    FOLDER,
    ORDERED,
    PROTO,
    STOP,
    archive,
    legacy,
    plain,
    reference,
    state_dict,
    tensor,
)

SIX = np.arange(6, dtype="<f4")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pth"


def opened(path, data):
    """Returns the arrays of a state dict in an archive."""
    path.write_bytes(data)
    with torch_files.open_archive(path, where="the weight file x") as content:
        return {name: found.read() for name, found in content.items()}


def refusal(path, data):
    """Returns the message with which `open_archive` refuses an archive."""
    with pytest.raises(UserError) as error:
        opened(path, data)
    assert "\n" not in str(error.value)
    return str(error.value)


def legacy_refusal(data):
    """Returns the message with which `load_legacy` refuses a file."""
    with pytest.raises(UserError) as error:
        torch_files.load_legacy(data, where="the weight file x")
    return str(error.value)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({}, [[0, 1, 2], [3, 4, 5]]),
        ({"shape": (3, 2), "strides": (1, 3)}, [[0, 3], [1, 4], [2, 5]]),  # transposed
        ({"shape": (2,), "strides": (2,), "offset": 3}, [3, 5]),
        ({"shape": (), "strides": (), "offset": 5}, 5),
        ({"shape": (2, 2), "strides": (0, 1)}, [[0, 1], [0, 1]]),  # expanded
        ({"shape": (0, 5), "strides": (5, 1), "offset": 6}, np.zeros((0, 5))),
        ({"shape": (1,), "strides": (10**30,)}, [0]),  # the stride of a side of 1 has no influence
    ],
)
def test_open_archive_reads_views_of_a_storage(path, named, expected):
    found = opened(path, archive(state_dict(a=tensor(**named)), {"0": SIX.tobytes()}))["a"]
    np.testing.assert_array_equal(found, np.asarray(expected, np.float32))
    assert found.shape == np.shape(expected)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous


def test_open_archive_reads_big_endian_archives_and_those_without_a_byte_order(path):
    program = state_dict(a=tensor(), b=tensor(key="1", kind="BFloat16Storage", count=1, shape=(1,), strides=(1,)))
    storages = {"0": SIX.astype(">f4").tobytes(), "1": b"\x3f\x80"}  # 0x3f800000 is 1
    found = opened(path, archive(program, storages, order=b"big"))
    np.testing.assert_array_equal(found["a"].ravel(), np.arange(6))
    assert found["a"].dtype.isnative
    assert found["b"].tolist() == [1]
    storages = {"0": SIX.tobytes(), "1": b"\x80\x3f"}
    found = opened(path, archive(program, storages, order=None))
    np.testing.assert_array_equal(found["a"].ravel(), np.arange(6))
    assert found["b"].tolist() == [1]
    assert "its byte order is b'middle'" in refusal(path, archive(program, storages, order=b"middle"))


def test_open_archive_makes_truth_values_of_any_bytes(path):
    program = state_dict(a=tensor(kind="BoolStorage", count=3, shape=(3,), strides=(1,)))
    assert opened(path, archive(program, {"0": b"\x00\x01\xff"}))["a"].view(np.uint8).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"shape": (2, 4), "strides": (3, 1)}, r"leaves its storage 0 of 6 values"),  # 3 + 3 = index 6
        ({"offset": 1}, r"shape \(2, 3\) with strides \(3, 1\) and offset 1 leaves its storage 0"),
        ({"shape": (), "strides": (), "offset": 6}, r"leaves its storage"),
        ({"strides": (2**62, 1)}, r"leaves its storage"),
        ({"shape": (2**40,), "strides": (0,)}, r"4398046511104 bytes, more than any model has"),
        ({"shape": (2**200, 0), "strides": (0, 0)}, r"more than any model has"),
        ({"shape": (-1,), "strides": (1,)}, r"an array with the shape \(-1,\)"),
        ({"shape": (True,), "strides": (1,)}, r"an array with the shape \(True,\)"),
        ({"shape": (1.0,), "strides": (1,)}, r"an array with the shape \(1\.0,\)"),
        ({"shape": (1,) * 33, "strides": (1,) * 33}, r"an array with the shape"),
        ({"strides": (-3, 1)}, r"has the offset 0 and strides \(-3, 1\)"),
        ({"offset": -1}, r"has the offset -1 and strides"),
        ({"offset": "1"}, r"has the offset '1' and strides"),
        ({"strides": (3,)}, r"strides \(3,\)"),
        ({"shape": [2, 3]}, r"a tensor has no storage, shape or strides"),
        ({"strides": None}, r"a tensor has no storage, shape or strides"),
        ({"storage": plain("0")}, r"a tensor has no storage, shape or strides"),
        ({"count": 7}, r"its storage 0 has 24 bytes, expected 28"),
        ({"count": 2**40}, r"more than any model has"),
        ({"count": -1}, r"an array with the shape \(-1,\)"),
        ({"count": "6"}, r"an array with the shape \('6',\)"),
        ({"key": "1"}, r"its storage 1 is missing"),
        ({"key": "../0"}, r"its storage \.\./0 is missing"),
        ({"key": 0}, r"describes a storage by \('storage', "),
        ({"kind": "DoubleStorage"}, r"its storage 0 has 24 bytes, expected 48"),
        ({"kind": "ComplexFloatStorage"}, r"refers to torch\.ComplexFloatStorage"),
        ({"more": plain((1, 2, 3))}, r"has a storage that is a part of another"),
        ({"storage": plain("storage") + b"Q"}, r"describes a storage by 'storage'"),
        ({"storage": plain(("module", None, "0", "cpu", 6)) + b"Q"}, r"describes a storage by \('module'"),
        ({"storage": plain(("storage", None, "0", "cpu", 6)) + b"Q"}, r"describes a storage by \('storage', None"),
    ],
)  # fmt: skip
def test_open_archive_refuses_forged_tensors(path, named, message):
    with pytest.raises(UserError, match=message):
        opened(path, archive(state_dict(a=tensor(**named)), {"0": SIX.tobytes()}))


def test_open_archive_refuses_one_storage_described_in_two_ways(path):
    program = state_dict(a=tensor(), b=tensor(count=3, shape=(3,), strides=(1,)))
    assert "describes the storage 0 in two ways" in refusal(path, archive(program))
    program = state_dict(a=tensor(), b=tensor(kind="IntStorage"))
    assert "describes the storage 0 in two ways" in refusal(path, archive(program))


def test_open_archive_refuses_parameters_that_are_no_tensors(path):
    program = state_dict(a=b"ctorch._utils\n_rebuild_parameter\n(K\x01\x88" + ORDERED + b"tR")
    assert "a parameter is no tensor" in refusal(path, archive(program))


def test_open_archive_shows_nested_shapes_in_little_time(path):
    nested = b")" + b"q\x00h\x00h\x00\x87" * 60
    program = state_dict(a=tensor())
    forged = program.replace(plain((2, 3)), nested)
    assert forged != program
    assert "an array with the shape" in refusal(path, archive(forged))


def test_open_archive_refuses_other_members(path):
    program = state_dict(a=tensor())
    assert "a TorchScript program" in refusal(path, archive(program, **{"constants.pkl": b""}))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("a.npy", b"")
    assert "a zip file without one data.pkl" in refusal(path, stream.getvalue())
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("a/data.pkl", program)
        file.writestr("b/data.pkl", program)
    assert "a zip file without one data.pkl" in refusal(path, stream.getvalue())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_open_archive_refuses_members_that_are_there_twice(path):
    stream = io.BytesIO(archive(state_dict(a=tensor())))
    with zipfile.ZipFile(stream, "a") as file:
        file.writestr("archive/data/0", bytes(24))
    assert "has the member archive/data/0 twice" in refusal(path, stream.getvalue())


def test_open_archive_refuses_compressed_and_encrypted_members(path):
    stream = io.BytesIO(archive(state_dict(a=tensor())))
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data/1", bytes(10**6))
    assert "has a compressed member, archive/data/1: write it with torch.save" in refusal(path, stream.getvalue())
    data = bytearray(archive(state_dict(a=tensor())))
    entry = data.index(b"PK\x01\x02")
    data[entry + 8] |= 1  # the flags of the first member in the list
    assert "has an encrypted member, archive/data.pkl" in refusal(path, bytes(data))


def test_open_archive_refuses_sizes_that_the_file_does_not_have(path):
    data = bytearray(archive(state_dict(a=tensor())))
    entry = data.index(b"PK\x01\x02")
    data[entry + 20 : entry + 28] = struct.pack("<II", 2**31, 2**31)  # compressed and full size in the list
    assert "its member archive/data.pkl has 2147483648 bytes" in refusal(path, bytes(data))


def test_open_archive_refuses_too_many_bytes_and_members(path, monkeypatch):
    data = archive(state_dict(a=tensor()), {"0": bytes(24), "1": bytes(500)})
    assert opened(path, data)["a"].shape == (2, 3)
    monkeypatch.setattr(checked, "MOST_OBJECTS", 3)
    assert "has 4 members of" in refusal(path, data)
    monkeypatch.setattr(checked, "MOST_OBJECTS", 4)
    monkeypatch.setattr(checked, "MOST_BYTES", 500)
    assert "bytes together, more than any model has" in refusal(path, data)
    monkeypatch.setattr(checked, "MOST_BYTES", 1000)
    monkeypatch.setattr(torch_files, "MOST_PICKLE", 100)
    assert "has a data.pkl of" in refusal(path, data)


def test_open_archive_reads_no_list_of_members_that_is_too_long(path, monkeypatch):
    data = archive(state_dict(a=tensor()))
    monkeypatch.setattr(torch_files._Bounded, "most", 100)
    path.write_bytes(data)
    with (
        pytest.raises(ValueError, match=r"a list of members of 1\d\d bytes"),
        torch_files.open_archive(path, where="x"),
    ):
        pass


def test_open_archive_checks_the_values_by_their_checksum(path):
    data = bytearray(archive(state_dict(a=tensor()), {"0": SIX.tobytes()}))
    data[data.index(SIX.tobytes()) + 6] ^= 1
    with pytest.raises(zipfile.BadZipFile, match="Bad CRC-32"):
        opened(path, bytes(data))


@pytest.mark.parametrize("kind", torch_files.DTYPES)
def test_load_legacy_reads_storages_of_each_type(kind):
    size = torch_files.Storage("0", kind=kind, count=1).itemsize
    program = state_dict(a=tensor(kind=kind, count=2, shape=(2,), strides=(1,), more=b"N"))
    found = torch_files.load_legacy(legacy(program, {"0": (bytes(2 * size), size)}), where="x")["a"].read()
    assert found.tolist() == [0, 0]
    assert found.dtype.itemsize == (4 if kind == "BFloat16Storage" else size)


def test_load_legacy_reads_values_in_the_order_of_their_keys():
    named = {"kind": "ByteStorage", "count": 2, "shape": (2,), "strides": (1,), "more": b"N"}
    program = state_dict(a=tensor(key="7", **named), b=tensor(key="5", **named))
    content = torch_files.load_legacy(legacy(program, {"5": (b"\1\2", 1), "7": (b"\3\4", 1)}), where="x")
    assert (content["a"].read().tolist(), content["b"].read().tolist()) == ([3, 4], [1, 2])


def test_load_legacy_refuses_other_versions_and_storages_that_do_not_fit():
    program = state_dict(a=tensor(more=b"N"))
    assert torch_files.load_legacy(legacy(program), where="x")["a"].shape == (2, 3)
    assert "has version 1000 of PyTorch's older form" in legacy_refusal(legacy(program, version=1000))
    for keys in ([], ["0", "0"], ["0", "1"], ["1"]):
        assert "its storages are not those that its tensors use" in legacy_refusal(legacy(program, keys=keys))
    for keys in (None, {"0": 1}, [0], [["0"]]):
        data = legacy(program, keys=["key"]).replace(pickle.dumps(["key"], 2), pickle.dumps(keys, 2))
        assert "the keys of its storages are no list of texts" in legacy_refusal(data)
    assert "does not have 6 values" in legacy_refusal(legacy(program, {"0": (bytes(20), 4)}))
    assert "does not have 6 values" in legacy_refusal(legacy(program)[:-1])
    view = state_dict(a=tensor(more=plain(("1", 0, 6))))
    assert "a part of another" in legacy_refusal(legacy(view))


def test_storage_widens_bfloat16():
    storage = torch_files.Storage("0", kind="BFloat16Storage", count=2)
    storage.data = lambda: np.array([0x3F80, 0xC040], "<u2").tobytes()  # 1 and -(1 + 1/2) * 2
    assert storage.values.tolist() == [1, -3]
    assert storage.itemsize == 2


def test_tensor_nbytes_counts_what_is_read():
    storage = torch_files.Storage("0", kind="BFloat16Storage", count=1)
    assert torch_files.Tensor(storage, 0, (5, 2), (0, 0)).nbytes == 5 * 2 * 4


def test_widen_bfloat16_keeps_shapes():
    assert torch_files.widen_bfloat16(np.array([[0x3F80]], np.uint16)).tolist() == [[1.0]]
    assert torch_files.widen_bfloat16(np.zeros((0, 2), np.uint16)).shape == (0, 2)


def test_is_archive_looks_at_the_first_member():
    start = (FOLDER / "state.pth").read_bytes()[:100]
    assert torch_files.is_archive(start)
    assert not torch_files.is_archive(start[:33])
    assert not torch_files.is_archive(b"")
    assert not torch_files.is_archive(b"PK\x05\x06" + bytes(18))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("metadata.json", b"{}")  # as in a file of Keras
    assert not torch_files.is_archive(stream.getvalue())


def test_names_are_stand_ins():
    allowed = {"torch.FloatStorage": pickles.Name("torch.FloatStorage")}
    value, _ = pickles.load(PROTO + reference() + STOP, where="x", allowed=allowed)
    assert value == ("storage", pickles.Name("torch.FloatStorage"), "0", "cpu", 6)
