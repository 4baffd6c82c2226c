"""Pickles that are read, and pickles that would run code, take long or need much memory if Python read them."""

import copyreg
import pickle
import struct
import sys

import pytest

from mrcnn.errors import UserError
from mrcnn.weights import pickles
from tests.weights.torch_examples import PROTO, STOP, plain

COMMAND = "touch ran"


def load(data, **named):
    return pickles.load(data, where="the weight file x", **{"allowed": {}, **named})


def refusal(data, **named):
    """Returns the message with which `load` refuses a pickle."""
    with pytest.raises(UserError) as error:
        load(data, **named)
    assert "\n" not in str(error.value)
    assert "the weight file x" in str(error.value)
    return str(error.value)


VALUES = [
    {"a": 1, "b": [1, 2, (3, 4.5), (), (1,), (1, 2, 3, 4)], "c": {"d": None, "e": True, "f": False}},
    [0, 255, 256, 65535, 65536, -1, 2**31 - 1, -(2**31), 2**31, -(2**63), 2**200],
    ["", "a", "ä", "x" * 300, "\U0001f600"],
    {1: "a", None: 2, 1.5: 3},
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", VALUES)
def test_load_reads_plain_data_of_each_protocol(value, protocol):
    data = pickle.dumps(value, protocol)
    assert load(data + b"more") == (value, len(data))


def test_load_reads_bytes_and_shared_values():
    shared = ["s"]
    value, _ = load(pickle.dumps([b"b", b"l" * 300, shared, shared], 4))
    assert bytes(value[0]) == b"b"
    assert bytes(value[1]) == b"l" * 300
    assert value[2] is value[3]


def test_load_reads_texts_of_python_2_as_latin_1():
    data = PROTO + b"U\x02\xe4b" + b"T" + struct.pack("<I", 1) + b"c\x86" + STOP
    assert load(data) == (("äb", "c"), len(data))


def test_load_reads_ordered_dictionaries_of_python_2_and_3_and_drops_their_attributes():
    python_3 = PROTO + b"ccollections\nOrderedDict\n)R" + plain("a") + b"K\x01s" + b"}" + plain("x") + b"K\x02sb" + STOP
    assert load(python_3)[0] == {"a": 1}
    python_2 = PROTO + b"ccollections\nOrderedDict\n" + plain([["b", 1], ["a", 2]]) + b"\x85R" + STOP
    assert list(load(python_2)[0].items()) == [("b", 1), ("a", 2)]


def test_load_calls_constructors_and_completes_what_they_build():
    class Pair(pickles.Stateful):
        def __init__(self, left, right):
            self.both = (left, right)

        def set_state(self, state):
            self.state = state

    data = PROTO + b"cm\nPair\nK\x01K\x02\x86R" + plain({"k": 3}) + b"b" + STOP
    built, _ = load(data, allowed={"m.Pair": pickles.Constructor(Pair)})
    assert (built.both, built.state) == ((1, 2), {"k": 3})
    new = PROTO + b"cm\nPair\nK\x01K\x02\x86\x81" + STOP
    assert load(new, allowed={"m.Pair": pickles.Constructor(Pair)})[0].both == (1, 2)


def test_load_drops_the_content_of_inert_objects():
    data = PROTO + b"cm\nOptions\n)\x81" + plain({"lr": 3}) + b"b" + STOP
    assert isinstance(load(data, allowed={"m.Options": pickles.Constructor(pickles.Inert)})[0], pickles.Inert)


def test_load_converts_persistent_ids():
    assert load(PROTO + plain(("storage", 1)) + b"Q" + STOP, persistent=len)[0] == 2
    assert "object outside of it" in refusal(PROTO + plain("a") + b"Q" + STOP)


PROGRAMS = {
    "system": ("os.system", b"cos\nsystem\n" + plain((COMMAND,)) + b"R"),
    "posix": ("posix.system", b"cposix\nsystem\n" + plain((COMMAND,)) + b"R"),
    "eval": ("builtins.eval", b"cbuiltins\neval\n" + plain(("1/0",)) + b"R"),
    "eval 2": ("__builtin__.eval", b"c__builtin__\neval\n" + plain(("1/0",)) + b"R"),
    "getattr": ("builtins.getattr", b"cbuiltins\ngetattr\n" + plain(("x", "y")) + b"R"),
    "dotted": ("collections.OrderedDict.fromkeys", plain("collections") + plain("OrderedDict.fromkeys") + b"\x93"),
    "dotted module": ("os.path.os.system", plain("os.path") + plain("os.system") + b"\x93"),
    "stack": ("os.system", plain("os") + plain("system") + b"\x93" + plain((COMMAND,)) + b"R"),
    "new": ("subprocess.Popen", b"csubprocess\nPopen\n" + plain((COMMAND,)) + b"\x81"),
    "parent": ("collections..OrderedDict", b"ccollections.\nOrderedDict\n"),
    "load": ("torch.load", b"ctorch\nload\n"),
    "storage": ("torch.storage._load_from_bytes", b"ctorch.storage\n_load_from_bytes\n"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_load_refuses_other_names_and_runs_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    full, program = PROGRAMS[name]
    message = refusal(PROTO + program + STOP)
    assert f"refers to {full}, which is not read because it could run code: save the tensors alone" in message
    assert list(tmp_path.iterdir()) == []


def test_load_refuses_what_python_itself_would_run(tmp_path):
    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    for protocol in (2, 3, 4, 5):
        assert "io.open" in refusal(pickle.dumps({"a": [Attack()]}, protocol))
    assert list(tmp_path.iterdir()) == []


INSTRUCTIONS = {
    "INST": b"(" + plain("touch ran") + b"ios\nsystem\n",
    "OBJ": b"(cm\nok\n" + plain("touch ran") + b"o",
    "EXT1": b"\x82\x01",
    "EXT2": b"\x83\x01\x00",
    "EXT4": b"\x84\x01\x00\x00\x00",
    "NEWOBJ_EX": b"cm\nok\n)}\x92",
    "PERSID": b"Px\n",
    "DUP": b"K\x012",
    "POP": b"K\x010",
    "LONG4": b"\x8b" + struct.pack("<i", 2**31 - 1),
    "BYTEARRAY8": b"\x96" + struct.pack("<Q", 2**62),
    "NEXT_BUFFER": b"\x97",
    "EMPTY_SET": b"\x8f",
    "INT": b"I1\n",
    "0xff": b"\xff",
}


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_load_refuses_other_instructions_by_name(name):
    data = PROTO + INSTRUCTIONS[name] + STOP
    assert f"has the pickle instruction {name}, which weight files do not have" in refusal(
        data, allowed={"m.ok": pickles.Constructor(list)}
    )


def test_load_does_not_use_the_registry_of_extensions(monkeypatch):
    copyreg.add_extension("os", "system", 200)
    try:
        data = PROTO + b"\x82\xc8" + plain((COMMAND,)) + b"R" + STOP
        assert "instruction EXT1" in refusal(data)
    finally:
        copyreg.remove_extension("os", "system", 200)


def test_load_refuses_calls_and_attributes_of_what_has_none():
    allowed = {"numpy.ndarray": pickles.Name("numpy.ndarray"), "m.f": pickles.Constructor(list)}
    called = PROTO + b"cnumpy\nndarray\n" + plain((2**40,)) + b"R" + STOP
    assert "calls numpy.ndarray, which weight files do not" in refusal(called, allowed=allowed)
    assert "calls a str" in refusal(PROTO + plain("system") + plain((COMMAND,)) + b"R" + STOP)
    for program, kind in (
        (b"cnumpy\nndarray\n", "numpy.ndarray"),
        (b"cm\nf\n", "a Constructor"),
        (b"ccollections\nOrderedDict\n", "a Constructor"),
        (b"]", "a list"),
    ):
        changed = PROTO + program + plain((None, {"__defaults__": (1,)})) + b"b" + STOP
        assert f"sets attributes of {kind}" in refusal(changed, allowed=allowed)


def test_load_refuses_keys_whose_hash_takes_exponential_time():
    laughs = b")" + b"q\x00h\x00h\x00\x87" * 60  # each tuple has the former one three times: 3**60 items
    assert "has a key of type tuple" in refusal(PROTO + b"}" + laughs + b"Ns" + STOP)
    pairs = b"ccollections\nOrderedDict\n]" + laughs + b"K\x01\x86a\x85R"
    assert "has a key of type tuple" in refusal(PROTO + pairs + STOP)


def test_load_reads_lists_that_unfold_to_billions_as_references():
    laughs = b"]" + b"q\x00]h\x00ah\x00ah\x00a" * 60
    value, _ = load(PROTO + b"(" + laughs + b"t" + STOP)
    assert value[-1][0] is value[-1][1] is value[-1][2] is value[-2]


def test_load_shows_nested_values_in_little_time():
    value, _ = load(PROTO + b")" + b"q\x00h\x00h\x00\x87" * 60 + STOP)
    assert len(pickles.shown(value)) < 60
    assert len(pickles.shown("a" * 10_000)) < 60


def test_load_reads_deep_nesting():
    value, _ = load(PROTO + b")" + b"\x85" * 200_000 + STOP)
    assert len(value) == 1


def test_load_counts_instructions_and_copied_items(monkeypatch):
    monkeypatch.setattr(pickles, "MOST_STEPS", 100)
    assert len(load(PROTO + b"(" + b"N" * 96 + b"t" + STOP)[0]) == 96  # 100 with PROTO, MARK, TUPLE and STOP
    assert "more than 100 pickle instructions" in refusal(PROTO + b"(" + b"N" * 97 + b"t" + STOP)
    pairs = plain([[str(i), i] for i in range(8)])
    copies = b"q\x63" + b"ccollections\nOrderedDict\nh\x63\x85R" * 4
    assert "more than 100 pickle instructions" in refusal(PROTO + b"(" + pairs + copies + b"t" + STOP)


def test_load_counts_the_arguments_of_calls(monkeypatch):
    monkeypatch.setattr(pickles, "MOST_STEPS", 100)
    allowed = {"argparse.Namespace": pickles.Constructor(pickles.Inert)}
    start = PROTO + b"((" + b"N" * 20 + b"tq\x00"  # 25 instructions make and store a tuple of 20
    call = b"cargparse\nNamespace\nh\x00R"  # 3 instructions and 20 arguments
    assert len(load(start + call * 3 + b"t" + STOP, allowed=allowed)[0]) == 4
    assert "more than 100 pickle instructions" in refusal(start + call * 4 + b"t" + STOP, allowed=allowed)


@pytest.mark.parametrize(
    "length", [b"X\xff\xff\xff\xff", b"\x8d" + b"\xff" * 8, b"B\xff\xff\xff\xff", b"\x8e" + b"\x7f" * 8]
)
def test_load_compares_lengths_with_the_bytes_that_are_there(length):
    with pytest.raises(EOFError, match="no end"):
        load(PROTO + length + b"abc" + STOP)


def test_load_keeps_a_memo_of_what_is_stored_alone():
    value, _ = load(PROTO + b"Nr\xff\xff\xff\xffj\xff\xff\xff\xff\x86" + STOP)  # index 2**32 - 1
    assert value == (None, None)


def test_load_refuses_other_protocols():
    assert "has pickle protocol 1, expected 2 to 5" in refusal(b"\x80\x01N.")
    assert "has pickle protocol 255" in refusal(b"\x80\xffN.")


@pytest.mark.parametrize(
    "data",
    [b"", PROTO, PROTO + b".", PROTO + b"NN.", PROTO + b"a.", PROTO + b"Na.", PROTO + b"N(a.", PROTO + b"(q\x00.",
     PROTO + b"u.", PROTO + b"}(Nu.", PROTO + b"]}(NNNe.", PROTO + b"e.", PROTO + b"h\x05.", PROTO + b"K\x01K\x02\x93.",
     PROTO + b"cos", PROTO + b"c" + b"a" * 10_000 + b"\nb\n.", PROTO + b"X\x01\0\0\0\xff.", PROTO + b"J\x01.",
     PROTO + b"ccollections\nOrderedDict\nK\x01R.", PROTO + b"ccollections\nOrderedDict\nK\x01\x85R.",
     PROTO + b"ccollections\nOrderedDict\n" + plain([[1, 2, 3]]) + b"\x85R."],
)  # fmt: skip
def test_load_ends_with_an_exception_where_the_pickle_is_damaged(data):
    with pytest.raises((ValueError, EOFError, IndexError, KeyError, struct.error)) as error:
        load(data)
    assert not isinstance(error.value, UserError)


def test_load_imports_nothing():
    with pytest.raises(UserError, match=r"antigravity\.x"):
        load(PROTO + b"cantigravity\nx\n" + STOP)
    assert "antigravity" not in sys.modules
