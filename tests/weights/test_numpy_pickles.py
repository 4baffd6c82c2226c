"""Pickled arrays of NumPy 1 and 2, of Python 2 and 3, and forged ones."""

import pickle

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.weights import numpy_pickles
from tests.weights.torch_examples import PROTO, STOP, plain

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)
EMPTY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"


def load(data):
    return numpy_pickles.load(data, where="the weight file x")


def refusal(data):
    """Returns the message with which `load` or reading its result is refused."""
    with pytest.raises(UserError) as error:
        load(data)
    assert "\n" not in str(error.value)
    return str(error.value)


def dtype(code="f4", order="<", extra=(None, None, None, -1, -1, 0)):
    return b"cnumpy\ndtype\n" + plain((code, 0, 1)) + b"R" + plain((3, order, *extra)) + b"b"


def array(*, shape=(2, 3), kind=None, fortran=False, data=None):
    """Returns the instructions of an array as Python 2 writes them, with its bytes as a text."""
    data = b"T" + len(VALUES.tobytes()).to_bytes(4, "little") + VALUES.tobytes() if data is None else data
    state = plain(1) + plain(shape) + (kind or dtype()) + plain(fortran) + data
    return PROTO + EMPTY + b"(" + state + b"tb" + STOP


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("name", ["numpy.core", "numpy._core"])
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f2", "<f8", "<i8", ">i2", "i1", "u1", "<u4", "?"])
def test_load_reads_what_numpy_writes(kind, name, protocol):
    values = np.arange(6).reshape(2, 3).astype(kind)
    data = pickle.dumps({"a": values, "b": np.asfortranarray(values), "c": values[0, 1]}["a"], protocol)
    stored = b"numpy._core" if b"numpy._core" in data else b"numpy.core"
    data = data.replace(stored + b".multiarray", name.encode() + b".multiarray")
    if protocol == 4:  # the length of the name is written before it
        data = data.replace(bytes([len(stored) + 11]) + name.encode(), bytes([len(name) + 11]) + name.encode())
        data = data[:2] + data[11:]  # without the frame, which says how long all is
    found = load(data)
    assert found.nbytes == values.nbytes
    np.testing.assert_array_equal(found.read(), values)
    assert found.read().dtype == values.dtype.newbyteorder("=")


def test_load_reads_columns_first_and_no_values_and_one():
    fortran = np.asfortranarray(VALUES)
    np.testing.assert_array_equal(load(pickle.dumps(fortran, 2)).read(), VALUES)
    single = load(pickle.dumps(np.array(2.5), 3))
    assert (single.shape, single.read().shape, float(single.read())) == ((), (), 2.5)
    nothing = load(pickle.dumps(np.zeros((0, 3)), 3)).read()
    assert (nothing.shape, nothing.dtype) == ((0, 3), np.float64)


def test_load_reads_arrays_of_python_2():
    np.testing.assert_array_equal(load(array()).read(), VALUES)
    big = VALUES.astype(">f4").tobytes()
    data = array(kind=dtype(order=">"), data=b"T" + len(big).to_bytes(4, "little") + big)
    np.testing.assert_array_equal(load(data).read(), VALUES)


def test_load_makes_truth_values_of_any_bytes():
    data = array(shape=(3,), kind=dtype("b1", "|"), data=b"U\x03\x00\x01\xff")
    assert load(data).read().view(np.uint8).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"shape": (2, 4)}, r"has an array of shape \(2, 4\) with 24 bytes"),
        ({"shape": (2**60,)}, r"more than any model has"),
        ({"shape": (0, 2**60)}, r"more than any model has"),
        ({"shape": (-2, -3)}, r"an array with the shape \(-2, -3\)"),
        ({"shape": [2, 3]}, r"has an array without a shape or a data type"),
        ({"kind": plain("f4")}, r"has an array without a shape or a data type"),
        ({"kind": dtype("O8", "|")}, r"has an array of type 'O8', expected numbers"),
        ({"kind": dtype("V8", "|")}, r"has an array of type 'V8'"),
        ({"kind": dtype("c8")}, r"has an array of type 'c8'"),
        ({"kind": dtype("f1")}, r"has an array of type 'f1'"),
        ({"kind": dtype("f4,f4")}, r"has an array of type 'f4,f4'"),
        ({"kind": dtype(4)}, r"has an array of type 4"),
        ({"data": plain([1.0] * 24)}, r"has an array of Python objects, expected numbers"),
    ],
)
def test_load_refuses_forged_arrays(named, message):
    with pytest.raises(UserError, match=message):
        load(array(**named))


def test_load_refuses_other_encodings_and_texts_converted_again_and_again():
    encode = b"c_codecs\nencode\n"
    assert "in the encoding 'hex', expected latin1" in refusal(PROTO + encode + plain(("ab", "hex")) + b"R" + STOP)
    assert "in the encoding" in refusal(PROTO + encode + plain((1, "latin1")) + b"R" + STOP)
    text = plain("a" * 1000) + b"q\x63"
    again = encode + b"h\x63" + plain("latin1") + b"\x86R"
    assert bytes(load(PROTO + b"(" + text + again + b"t" + STOP)[1]) == b"a" * 1000
    assert "unpacks to more bytes than it has" in refusal(PROTO + b"(" + text + again * 40 + b"t" + STOP)


def test_load_refuses_names_that_numpy_has_and_weights_do_not_need():
    assert "numpy.ndarray" in refusal(PROTO + b"cnumpy\nndarray\n" + plain((9,)) + b"R" + STOP)
    assert "numpy.core.multiarray.scalar" in refusal(PROTO + b"cnumpy.core.multiarray\nscalar\n" + STOP)
    assert "numpy.load" in refusal(PROTO + b"cnumpy\nload\n" + STOP)
    assert "numpy.core.numeric._frombuffer" in refusal(PROTO + b"cnumpy.core.numeric\n_frombuffer\n" + STOP)
