"""Weight files of other frameworks: each form, what surrounds the weights, and damage."""

import json
import os
import pickle
import shutil
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.numpy

from mrcnn.errors import UserError
from mrcnn.weights import checked, pickles, state_dict
from tests.fuzz.mutations import mutate_bytes
from tests.weights import torch_examples
from tests.weights.torch_examples import CHECKPOINT, FIXTURES, FOLDER, ORDERED, PROTO, STATE, STOP, check_equal, plain

ARRAYS = {"conv1_w": np.arange(8, dtype=np.float32).reshape(2, 2, 2), "conv1_b": np.float32([1, 2])}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.any"  # the suffix has no influence


def read(path, data):
    path.write_bytes(data)
    return state_dict.read_state_dict(path)


def refusal(path):
    """Returns the message with which `read_state_dict` refuses a file."""
    with pytest.raises(UserError) as error:
        state_dict.read_state_dict(path)
    assert "\n" not in str(error.value)
    assert path.name in str(error.value)
    return str(error.value)


def safetensors_file(tensors, *, metadata=None):
    """Returns a file of tensors given as (type, shape, bytes)."""
    header, data = {} if metadata is None else {"__metadata__": metadata}, b""
    for name, (kind, shape, values) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(("name", "form"), [("state", "PyTorch"), ("state_legacy", "PyTorch before 1.6")])
def test_read_state_dict_reads_both_forms_of_pytorch(name, form, path):
    shutil.copy(FOLDER / f"{name}.pth", path)
    found = state_dict.read_state_dict(path)
    check_equal(found.tensors, STATE)
    assert (found.path, found.form, found.author, found.ignored) == (str(path), form, None, 0)


@pytest.mark.parametrize("name", ["checkpoint", "checkpoint_legacy"])
def test_read_state_dict_unwraps_a_checkpoint_of_torchvision(name):
    found = state_dict.read_state_dict(FOLDER / f"{name}.pth")
    check_equal(found.tensors, CHECKPOINT)
    assert found.ignored == 4  # optimizer, lr_scheduler, args, epoch
    assert found.form.endswith(", under `model`")


@pytest.mark.parametrize("key", ["model", "state_dict", "model_state_dict"])
def test_read_state_dict_unwraps_other_checkpoints(key, path):
    state = ORDERED + plain("a") + torch_examples.tensor() + b"s" + plain("step") + b"K\x07s"
    program = PROTO + b"}" + plain("meta") + plain({"a": 1}) + b"s" + plain(key) + state + b"s" + STOP
    found = read(path, torch_examples.archive(program))
    assert found.tensors["a"].shape == (2, 3)
    assert found.ignored == 2  # meta, step
    assert found.form == f"PyTorch, under `{key}`"


def test_read_state_dict_keeps_a_tensor_that_is_called_like_a_wrapper(path):
    found = read(path, torch_examples.archive(torch_examples.state_dict(model=torch_examples.tensor())))
    assert list(found.tensors) == ["model"]
    program = PROTO + b"}" + plain("model") + plain({"depth": 50}) + b"s" + plain("a") + torch_examples.tensor() + b"s."
    assert list(read(path, torch_examples.archive(program)).tensors) == ["a"]


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_read_state_dict_reads_pickles_of_detectron2(kind, protocol, path):
    content = {"model": kind(ARRAYS), "__author__": "Detectron2 Model Zoo", "matching_heuristics": True}
    found = read(path, pickle.dumps(content, protocol))
    check_equal(found.tensors, ARRAYS)
    assert (found.author, found.form, found.ignored) == ("Detectron2 Model Zoo", "detectron2 pickle", 0)
    found = read(path, pickle.dumps({"model": ARRAYS, "iteration": 5}, protocol))
    assert (found.author, found.ignored) == (None, 1)


def test_read_state_dict_keeps_momentum_in_names_of_detectron2(path):
    arrays = {"a_momentum": np.ones(2, np.float32), "lr": np.ones((), np.float32)}
    check_equal(read(path, pickle.dumps({"model": arrays}, 2)).tensors, arrays)


@pytest.mark.parametrize("wrapped", [True, False])
def test_read_state_dict_reads_pickles_of_caffe2_without_the_state_of_the_training(wrapped, path):
    extra = {
        "conv1_w_momentum": np.ones(2, np.float32),
        "lr": np.float32([0.02]),
        "model_iter": np.int64([90000]),
        "scale": np.array(2.0),
        "weight_order": 0.1,
    }
    content = {"blobs": {**ARRAYS, **extra}, "cfg": "a: 1"} if wrapped else {**ARRAYS, **extra}
    found = read(path, pickle.dumps(content, 2))
    check_equal(found.tensors, ARRAYS)
    assert (found.form, found.ignored) == ("Caffe2 pickle", 6 if wrapped else 5)


def test_read_state_dict_reads_pickles_of_python_2_and_numpy_2(path):
    data = pickle.dumps({"blobs": ARRAYS}, 2)
    for name in (b"numpy.core", b"numpy._core"):
        check_equal(read(path, data.replace(b"numpy._core", name)).tensors, ARRAYS)
    values = np.float32([1, -2]).tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR(K\x01K\x02\x85cnumpy\ndtype\n"
        b"(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08" + values + b"tb"
    )
    found = read(path, PROTO + b"}U\x05blobs}U\x09conv1_b\xe4x" + array + b"ss" + STOP)
    check_equal(found.tensors, {"conv1_bäx": np.float32([1, -2])})


def test_read_state_dict_reads_safetensors(path):
    tensors = {
        "f": ("F32", [2], np.float32([1, 2]).tobytes()),
        "bf": ("BF16", [1, 2], b"\x80\x3f\x40\xc0"),
        "h": ("F16", [], np.float16(3).tobytes()),
        "b": ("BOOL", [2], b"\x00\x01"),
        "i": ("I64", [1], np.int64(2**40).tobytes()),
        "e": ("F64", [0, 3], b""),
    }
    found = read(path, safetensors_file(tensors, metadata={"format": "pt", "__author__": "me"}))
    expected = {
        "f": np.float32([1, 2]),
        "bf": np.float32([[1, -3]]),
        "h": np.float16(3),
        "b": np.array([False, True]),
        "i": np.int64([2**40]),
        "e": np.zeros((0, 3)),
    }
    check_equal(found.tensors, expected)
    assert (found.form, found.author) == ("safetensors", "me")
    check_equal(read(path, safetensors.numpy.save(ARRAYS)).tensors, dict(sorted(ARRAYS.items())))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "holds no tensors"),
        ({"a": ("F8_E4M3", [1], b"\0")}, "a has values of type F8_E4M3, expected one of F64, F32"),
        ({"a": ("C64", [1], bytes(8))}, "a has values of type C64"),
        ({"a": ("F32", [3], bytes(8))}, "is damaged or cut short"),
        ({"a": ("F32", [2**40, 2**40], bytes(8))}, "is damaged or cut short"),
        ({"a": ("F32", [0, 2**50], b"")}, "more than any model has"),
        ({"a": ("F32", [-1], b"")}, "is damaged or cut short"),
        ({"a": ("object", [1], bytes(8))}, "is damaged or cut short"),
    ],
)
def test_read_state_dict_refuses_forged_safetensors(tensors, message, path):
    path.write_bytes(safetensors_file(tensors))
    assert message in refusal(path)


def test_read_state_dict_refuses_files_of_other_forms(path, tmp_path):
    assert "does not exist" in refusal(path)
    path.write_bytes(b"")
    assert "is none of PyTorch, detectron2, Caffe2 or safetensors: it is empty" in refusal(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50))
    assert r"it starts with b'\x89HDF\r\n\x1a\n'" in refusal(path)
    path.write_bytes(b"(dp0\n.")  # protocol 0
    assert "is none of" in refusal(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", "{}")
    assert "is none of" in refusal(path)
    assert "is no regular file" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "is no regular file" in refusal(tmp_path / "pipe")


def test_read_state_dict_refuses_files_without_weights(path):
    for content, shown in (({}, "nothing"), ({"a": 1, 2: "b"}, "a, 2"), ({"model": {}}, "model")):
        path.write_bytes(pickle.dumps(content, 2))
        assert f"holds no tensors by name, only {shown}; save its state dict" in refusal(path)
    path.write_bytes(pickle.dumps([1], 2))
    assert "holds no weights by name, expected a dictionary" in refusal(path)


def test_read_state_dict_refuses_programs_and_runs_nothing(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = PROTO + b"cos\nsystem\n" + plain(("touch ran",)) + b"R" + STOP
    for data in (
        program,
        torch_examples.archive(program),
        torch_examples.legacy(program),
        torch_examples.LEGACY_START + program,
    ):
        path.write_bytes(data)
        assert "refers to os.system, which is not read because it could run code" in refusal(path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_read_state_dict_refuses_tensors_that_unfold_to_too_much(path, monkeypatch):
    shape = {"shape": (100, 6), "strides": (0, 1)}
    program = torch_examples.state_dict(**{f"t{i}": torch_examples.tensor(**shape) for i in range(9)})
    data = torch_examples.archive(program)
    assert len(read(path, data).tensors) == 9
    monkeypatch.setattr(checked, "MOST_BYTES", 8 * 2400)
    assert "has tensors of 21600 bytes together, more than any model has" in refusal(path)


def test_read_state_dict_limits_the_length_of_files_that_are_read_whole(path, monkeypatch):
    monkeypatch.setattr(checked, "MOST_BYTES", 100)
    path.write_bytes(pickle.dumps({"a": ARRAYS}, 2))
    assert "must have at most 100 bytes" in refusal(path)
    path.write_bytes(safetensors_file({"a": ("F32", [1], bytes(4))}) + bytes(50))
    assert "must have at most 100 bytes" in refusal(path)


def examples():
    """Returns files of all forms."""
    content = {"model": ARRAYS, "__author__": "a"}
    return {
        **{name: (FOLDER / name).read_bytes() for name in FIXTURES},
        "detectron2 of protocol 2": pickle.dumps(content, 2),
        "detectron2 of protocol 4": pickle.dumps(content, 4),
        "safetensors": safetensors.numpy.save(ARRAYS),
    }


@pytest.mark.parametrize("name", examples())
def test_read_state_dict_refuses_files_that_were_cut_short(name, path):
    data = examples()[name]
    lengths = [*range(0, len(data), 97), len(data) - 1]
    for length in lengths:
        path.write_bytes(data[:length])
        message = refusal(path)
        assert "damaged or cut short" in message or "is none of" in message, (length, message)
        assert not message.endswith("()"), message


@pytest.mark.parametrize("name", examples())
def test_read_state_dict_reads_or_refuses_files_with_changed_bytes(name, path):
    data, rng = examples()[name], np.random.default_rng(5)
    refused = 0
    for _ in range(150):
        if rng.random() < 0.5:
            changed = bytearray(data)
            for place in rng.integers(0, len(data), int(rng.integers(1, 4))):
                changed[place] = rng.integers(0, 256)
        else:
            changed = mutate_bytes(data, rng)
        path.write_bytes(changed)
        try:
            found = state_dict.read_state_dict(path)
        except UserError:
            refused += 1
        else:
            assert sum(values.nbytes for values in found.tensors.values()) < 10_000
    assert refused > 10


@pytest.mark.parametrize("name", examples())
def test_is_state_dict_recognises_each_form(name, path):
    path.write_bytes(examples()[name])
    assert state_dict.is_state_dict(path)


def test_is_state_dict_is_false_for_all_else(path, tmp_path):
    assert not state_dict.is_state_dict(path)
    assert not state_dict.is_state_dict(tmp_path)
    for data in (
        b"",
        b"\x89HDF\r\n\x1a\n",
        b"PK\x05\x06" + bytes(18),
        b'{"a": 1}',
        b"\x80",
        b"\x80\x01",
        b"\x7f" * 8 + b"{",
    ):
        path.write_bytes(data)
        assert not state_dict.is_state_dict(path), data
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")
    assert not state_dict.is_state_dict(path)


def test_state_dict_hides_values_in_its_text():
    assert "tensors" not in repr(state_dict.read_state_dict(FOLDER / "state.pth"))


def test_fixtures_are_small():
    assert sum((FOLDER / name).stat().st_size for name in FIXTURES) < 20_000


def test_read_state_dict_counts_instructions(path, monkeypatch):
    shutil.copy(FOLDER / "state.pth", path)
    monkeypatch.setattr(pickles, "MOST_STEPS", 50)
    assert "more than 50 pickle instructions" in refusal(path)
