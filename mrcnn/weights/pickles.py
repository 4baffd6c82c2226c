"""Reads pickles of weights by an interpreter that runs no code of the file.

A pickle is a program for a stack machine. Python's own reader imports the names that the program contains and calls
what it finds. Here a name is only a key of a table of constructors that the caller passes; nothing is imported, and
no attribute of an object is read or set. Every instruction counts, so that a short program cannot build a large result:
lists that contain each other stay references, keys of dictionaries are plain values, since the hash of nested tuples
may take exponential time, and lengths are compared with the bytes that are there.
Source: the module `pickletools` of Python, which describes all instructions; protocols 2 to 5.
"""

import pickletools
import reprlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mrcnn.errors import UserError

MOST_STEPS = 2_000_000  # instructions and copied items; a ResNet-101 model with Adam's variables has about 100,000
LONGEST_NAME = 200  # bytes of a module's or an object's name
KEY_TYPES = (str, int, float, bool, type(None))
_CODES = {instruction.name: ord(instruction.code) for instruction in pickletools.opcodes}
_NAMES = {code: name for name, code in _CODES.items()}
_MARK = object()
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 1


@dataclass(frozen=True)
class Constructor:
    """A function of ours that a pickle may call under another name.

    Attributes:
        build: called with the arguments in the pickle, which may be any plain values.
    """

    build: Callable[..., Any]


@dataclass(frozen=True)
class Name:
    """A class that a pickle names as an argument, but may not call.

    Attributes:
        full: its module and name.
    """

    full: str


class Stateful:
    """Base class of objects that a pickle completes after their construction."""

    def set_state(self, state: Any) -> None:
        """Stores the state.

        Args:
            state: any value; it must be checked.
        """
        raise NotImplementedError


class Inert(Stateful):
    """An object of a checkpoint that is not needed; its content is dropped."""

    def __init__(self, *_: Any):
        """Ignores all arguments."""

    def set_state(self, state: Any) -> None:
        """Ignores the state."""


def load(
    data: bytes | memoryview,
    *,
    where: str,
    allowed: Mapping[str, Any],
    persistent: Callable[[Any], Any] | None = None,
) -> tuple[Any, int]:
    """Reads one pickle.

    Args:
        data: bytes that start with a pickle; others may follow.
        where: the file, for error messages.
        allowed: {name such as `numpy.dtype`: a `Constructor` or a `Name`}. `collections.OrderedDict` is always allowed
            and becomes a dictionary.
        persistent: converts the description of an object outside the pickle to that object; None if there are none.

    Returns:
        The value, of dictionaries, lists, tuples, numbers, texts, bytes (longer ones as memoryviews), None and what
        `allowed` and `persistent` return; and the number of bytes read. Texts of Python 2 are decoded as Latin-1.

    Raises:
        UserError: the pickle contains a name or an instruction that is not allowed, or has too many instructions.
        Exception: of many types, if it is damaged.
    """
    machine = _Machine(memoryview(data), where=where, allowed=allowed, persistent=persistent)
    return machine.run(), machine.position


def shown(value: Any) -> str:
    """Formats a value of a pickle for a message, quickly even if it is nested."""
    return _SHORT.repr(value)


class _Machine:
    """The stack machine; each method `_NAME` is the instruction with that name in `pickletools`."""

    def __init__(self, data: memoryview, *, where: str, allowed: Mapping[str, Any], persistent: Callable | None):
        self.position = 0
        self._data = data
        self._where = where
        self._allowed = {"collections.OrderedDict": Constructor(self._ordered_dict), **allowed}
        self._persistent = persistent
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._steps = 0

    def run(self) -> Any:
        while True:
            self._count(1)
            code = self._take(1)[0]
            if code == ord("."):
                (result,) = self._stack
                return result
            step = _STEPS.get(code)
            if step is None:
                name = _NAMES.get(code, f"0x{code:02x}")
                raise UserError(f"{self._where} has the pickle instruction {name}, which weight files do not have")
            step(self)

    def _count(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MOST_STEPS:
            raise UserError(f"{self._where} has more than {MOST_STEPS} pickle instructions, more than any model has")

    def _take(self, length: int) -> memoryview:
        start, self.position = self.position, self.position + length
        if self.position > len(self._data):
            raise EOFError("the pickle has no end")
        return self._data[start : self.position]

    def _number(self, form: str) -> Any:
        (value,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return value

    def _line(self) -> str:
        found = bytes(self._data[self.position : self.position + LONGEST_NAME + 1])
        line, end, _ = found.partition(b"\n")
        if not end:
            raise EOFError("a name in the pickle has no end")
        self.position += len(line) + 1
        return line.decode()

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark in place of a value")
        return value

    def _pop_to_mark(self) -> list[Any]:
        start = len(self._stack) - 1
        while self._stack[start] is not _MARK:
            start -= 1
            if start < 0:
                raise ValueError("a missing mark")
        items = self._stack[start + 1 :]
        del self._stack[start:]
        return items

    def _proto(self) -> None:
        if (version := self._number("B")) not in (2, 3, 4, 5):
            raise UserError(f"{self._where} has pickle protocol {version}, expected 2 to 5")

    def _frame(self) -> None:
        self._take(8)  # the length of a part, which only helps buffering

    def _text(self, form: str) -> None:
        self._push(str(self._take(self._number(form)), "utf-8"))

    def _text_of_python_2(self, form: str) -> None:
        self._push(str(self._take(self._number(form)), "latin1"))

    def _bytes(self, form: str) -> None:
        self._push(self._take(self._number(form)))

    def _short_binbytes(self) -> None:
        self._push(bytes(self._take(self._number("B"))))

    def _long1(self) -> None:
        self._push(int.from_bytes(self._take(self._number("B")), "little", signed=True))

    def _tuple(self, count: int) -> None:
        self._push(tuple([self._pop() for _ in range(count)][::-1]))

    def _append(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise ValueError("items for what is no list")
        self._stack[-1].extend(items)

    def _setitems(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise ValueError("items for what is no dictionary, or a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self._key(key)] = value

    def _setitem(self) -> None:
        value, key = self._pop(), self._pop()
        self._setitems([key, value])

    def _key(self, key: Any) -> Any:
        if type(key) not in KEY_TYPES:
            raise UserError(f"{self._where} has a key of type {type(key).__name__}, expected a name")
        return key

    def _ordered_dict(self, *arguments: Any) -> dict[Any, Any]:
        """Builds a dictionary from nothing, or from pairs, which Python 2 writes."""
        items = arguments[0] if arguments else []
        if len(arguments) > 1 or type(items) is not list or any(type(i) not in (list, tuple) for i in items):
            raise ValueError("an ordered dictionary of what is no list of pairs")
        self._count(len(items))
        return {self._key(key): value for key, value in items}

    def _put(self, index: int) -> None:
        if self._stack[-1] is _MARK:
            raise ValueError("a mark in place of a value")
        self._memo[index] = self._stack[-1]

    def _global(self) -> None:
        module = self._line()
        self._find(module, self._line())

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not str or type(module) is not str:
            raise ValueError("a name that is no text")
        self._find(module, name)

    def _find(self, module: str, name: str) -> None:
        full = f"{module[:LONGEST_NAME]}.{name[:LONGEST_NAME]}"
        if full not in self._allowed:
            raise UserError(
                f"{self._where} refers to {full}, which is not read because it could run code: save the tensors alone, "
                "as a state dict or as safetensors"
            )
        self._push(self._allowed[full])

    def _reduce(self) -> None:
        arguments, constructor = self._pop(), self._pop()
        if not isinstance(constructor, Constructor):
            name = constructor.full if isinstance(constructor, Name) else f"a {type(constructor).__name__}"
            raise UserError(f"{self._where} calls {name}, which weight files do not: it is damaged or malicious")
        if type(arguments) is not tuple:
            raise ValueError("arguments that are no tuple")
        self._count(len(arguments))  # a long tuple may be the argument of many calls
        self._push(constructor.build(*arguments))

    def _build(self) -> None:
        state, target = self._pop(), self._stack[-1]
        if isinstance(target, Stateful):
            target.set_state(state)
        elif type(target) is not dict:  # the `_metadata` of a state dict is an attribute, which is dropped
            kind = target.full if isinstance(target, Name) else f"a {type(target).__name__}"
            raise UserError(f"{self._where} sets attributes of {kind}, which weight files do not: it is malicious")

    def _binpersid(self) -> None:
        if self._persistent is None:
            raise UserError(f"{self._where} refers to an object outside of it, which weight files of its form do not")
        self._push(self._persistent(self._pop()))


_STEPS: dict[int, Callable[[_Machine], None]] = {
    _CODES[name]: step
    for name, step in {
        "PROTO": _Machine._proto,
        "FRAME": _Machine._frame,
        "MARK": lambda m: m._push(_MARK),
        "NONE": lambda m: m._push(None),
        "NEWTRUE": lambda m: m._push(True),
        "NEWFALSE": lambda m: m._push(False),
        "BININT": lambda m: m._push(m._number("<i")),
        "BININT1": lambda m: m._push(m._number("B")),
        "BININT2": lambda m: m._push(m._number("<H")),
        "LONG1": _Machine._long1,
        "BINFLOAT": lambda m: m._push(m._number(">d")),
        "SHORT_BINSTRING": lambda m: m._text_of_python_2("B"),
        "BINSTRING": lambda m: m._text_of_python_2("<I"),
        "SHORT_BINBYTES": _Machine._short_binbytes,
        "BINBYTES": lambda m: m._bytes("<I"),
        "BINBYTES8": lambda m: m._bytes("<Q"),
        "SHORT_BINUNICODE": lambda m: m._text("B"),
        "BINUNICODE": lambda m: m._text("<I"),
        "BINUNICODE8": lambda m: m._text("<Q"),
        "EMPTY_TUPLE": lambda m: m._push(()),
        "TUPLE1": lambda m: m._tuple(1),
        "TUPLE2": lambda m: m._tuple(2),
        "TUPLE3": lambda m: m._tuple(3),
        "TUPLE": lambda m: m._push(tuple(m._pop_to_mark())),
        "EMPTY_LIST": lambda m: m._push([]),
        "APPEND": lambda m: m._append([m._pop()]),
        "APPENDS": lambda m: m._append(m._pop_to_mark()),
        "EMPTY_DICT": lambda m: m._push({}),
        "SETITEM": _Machine._setitem,
        "SETITEMS": lambda m: m._setitems(m._pop_to_mark()),
        "BINPUT": lambda m: m._put(m._number("B")),
        "LONG_BINPUT": lambda m: m._put(m._number("<I")),
        "MEMOIZE": lambda m: m._put(len(m._memo)),
        "BINGET": lambda m: m._push(m._memo[m._number("B")]),
        "LONG_BINGET": lambda m: m._push(m._memo[m._number("<I")]),
        "GLOBAL": _Machine._global,
        "STACK_GLOBAL": _Machine._stack_global,
        "REDUCE": _Machine._reduce,
        "NEWOBJ": _Machine._reduce,  # a class in place of a function
        "BUILD": _Machine._build,
        "BINPERSID": _Machine._binpersid,
    }.items()
}
