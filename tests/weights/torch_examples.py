"""The values of `tests/fixtures/torch` in NumPy, and pickles and archives written instruction by instruction."""

import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "fixtures" / "torch"
FIXTURES = sorted(path.name for path in FOLDER.glob("*.pth"))
TABLE = np.arange(12, dtype=np.float32).reshape(3, 4) / 4
STATE = {
    "table": TABLE,
    "row": TABLE[1],
    "transposed": TABLE.T,
    "every_second": TABLE.ravel()[1::2],
    "expanded": np.full((2, 3), 7, np.float32),
    "parameter": np.float32([1.5, -2]),
    "half": np.float16([0.5, -3]),
    # 1e30 is 1.5777218 * 2**99; with 7 bits after the point 1.578125 * 2**99
    "bfloat16": np.float32([0.5, -3, 1.578125 * 2**99]),
    "double": np.float64([1 / 3]),
    "int64": np.int64(2**40),
    "int32": np.int32([-(2**31)]),
    "int16": np.int16([-300]),
    "int8": np.int8([-7]),
    "uint8": np.uint8([200]),
    "bool": np.array([True, False, True]),
    "empty": np.zeros((0, 3), np.float32),
}
CHECKPOINT = {
    "fc.weight": np.float32([[0.25, -0.5]]),
    "fc.bias": np.float32([2]),
    "bn.weight": np.float32([1]),
    "bn.bias": np.float32([0]),
    "bn.running_mean": np.float32([0]),
    "bn.running_var": np.float32([1]),
    "bn.num_batches_tracked": np.int64(0),
}
PROTO, STOP = b"\x80\x02", b"."
LEGACY_START = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {}))
ORDERED = b"ccollections\nOrderedDict\n)R"


def plain(value) -> bytes:
    """Returns the instructions that build plain data, without the first and the last."""
    return pickle.dumps(value, 2)[2:-1]


def reference(*, key="0", kind="FloatStorage", count=6, more=b"") -> bytes:
    """Returns the instructions that name a storage."""
    return (
        b"(" + plain("storage") + f"ctorch\n{kind}\n".encode() + plain(key) + plain("cpu") + plain(count) + more + b"t"
    )


def tensor(*, offset=0, shape=(2, 3), strides=(3, 1), storage=b"", **named) -> bytes:
    """Returns the instructions that build a tensor as PyTorch writes them."""
    storage = storage or reference(**named) + b"Q"
    arguments = storage + plain(offset) + plain(shape) + plain(strides) + b"\x89" + ORDERED
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def state_dict(**tensors: bytes) -> bytes:
    """Returns a pickle of tensors by name."""
    items = b"".join(plain(name) + instructions for name, instructions in tensors.items())
    return PROTO + ORDERED + b"(" + items + b"u" + STOP


def archive(program: bytes, storages=None, *, order=b"little", root="archive", **members: bytes) -> bytes:
    """Returns an archive in the form of PyTorch."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr(f"{root}/data.pkl", program)
        if order is not None:
            file.writestr(f"{root}/byteorder", order)
        for key, values in ({"0": bytes(24)} if storages is None else storages).items():
            file.writestr(f"{root}/data/{key}", values)
        for name, content in members.items():
            file.writestr(f"{root}/{name}", content)
    return stream.getvalue()


def legacy(program: bytes, storages=None, *, version=1001, keys=None) -> bytes:
    """Returns a file in the form before PyTorch 1.6, whose storages are (values, bytes of a value) by key."""
    storages = {"0": (bytes(24), 4)} if storages is None else storages
    start = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(version, 2)
    facts = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}, 2)
    listed = pickle.dumps(list(storages) if keys is None else keys, 2)
    values = b"".join(struct.pack("<q", len(data) // size) + data for data, size in storages.values())
    return start + facts + program + listed + values


def check_equal(found, expected):
    """Checks names, order, data types, shapes and values."""
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].dtype == values.dtype, name
        assert found[name].shape == values.shape, name
        np.testing.assert_array_equal(found[name], values, err_msg=name)
