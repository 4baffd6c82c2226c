"""Parses untrusted JSON: bounds its memory before parsing, and reports errors in one line."""

import base64
import binascii
import json
import math
import re
from typing import Any, NoReturn

from mrcnn.config import errors
from mrcnn.errors import UserError
from mrcnn.serve.responses import RequestError

DEEPEST = 64  # levels of nesting; an annotation has 6

# upper bounds, in bytes, of the Python objects that a text is parsed into: per value in a list (a float and its slot),
# per list (an empty one and its slot), per object (with one key), per quotation mark (half a short string)
_VALUE, _LIST, _OBJECT, _QUOTE = 32, 96, 200, 32
_LONE_SURROGATE = re.compile(rb"\\u[dD][89abAB]")


def working_bytes(text: bytes) -> int:
    """Computes an upper bound of the bytes that `parse` needs beside the text itself.

    It counts commas, brackets, braces and quotation marks, in four scans of the text.
    """
    sizes = {b",": _VALUE, b"[": _LIST, b"{": _OBJECT, b'"': _QUOTE}
    return len(text) + sum(size * text.count(mark) for mark, size in sizes.items())


def parse(text: bytes, *, name: str) -> Any:
    """Parses a JSON text.

    Args:
        text: UTF-8, with or without a byte order mark.
        name: what an error message calls the text.

    Raises:
        RequestError: the text is no JSON, is nested too deeply, or holds a number that is not finite or too long, or a
            lone surrogate.
    """
    try:
        value = json.loads(text.decode("utf-8-sig"), parse_constant=_no_number, parse_float=_number)
    except json.JSONDecodeError as error:
        raise RequestError(f"`{name}` is not JSON: line {error.lineno} column {error.colno}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"`{name}` is not JSON: byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise _too_deep(name) from error
    except UserError as error:
        raise RequestError(f"`{name}` is not usable JSON: {error}") from error
    except ValueError as error:  # the only remaining cause: Python's limit on the digits of an integer
        raise RequestError(f"`{name}` is not usable JSON: it holds a number of thousands of digits") from error
    _check_depth(value, name)
    if _LONE_SURROGATE.search(text):
        _check_letters(value, name)
    return value


def decode_base64(value: Any, *, name: str) -> bytes:
    """Decodes a base64 text of one or several lines.

    Raises:
        RequestError: the value is no base64 text; the message calls it `name`.
    """
    try:
        if isinstance(value, str):
            return base64.b64decode(value.encode().translate(None, b" \r\n\t"), validate=True)
    except (binascii.Error, ValueError):
        pass
    raise RequestError(f"`{name}` must be base64 text of an image file, got {errors.shown(value)}")


def _no_number(word: str) -> NoReturn:
    raise UserError(f"{word} is no JSON number")


def _number(word: str) -> float:
    """Reads a number with a fraction or an exponent; one that overflows is refused.

    It would be written back as `Infinity`, which is no JSON.
    """
    value = float(word)
    if math.isinf(value):
        raise UserError(f"{word[:20]} is too large a number")
    return value


def _too_deep(name: str) -> RequestError:
    return RequestError(f"`{name}` is nested more than {DEEPEST} levels deep; nothing useful here is")


def _check_depth(value: Any, name: str) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [item for parent in level for item in _children(parent) if isinstance(item, (dict, list))]
        if not level:
            return
    raise _too_deep(name)


def _children(parent: Any) -> Any:
    return parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ()


def _check_letters(value: Any, name: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise RequestError(
            f"`{name}` holds half of a Unicode letter (a lone surrogate); write the whole letter"
        ) from error
