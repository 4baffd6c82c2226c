import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrcnn.serve.limits import json_text
from mrcnn.serve.responses import RequestError


@pytest.mark.parametrize(
    "text", [b'{"a": [1, 2.5, null, "\\u00e9"]}', b'\xef\xbb\xbf{"a": [1, 2.5, null, "\xc3\xa9"]}']
)
def test_parse_with_or_without_a_byte_order_mark(text):
    assert json_text.parse(text, name="mode") == {"a": [1, 2.5, None, "é"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "`mode` is not JSON: line 1 column 2: Expecting property name enclosed in double quotes"),
        (b"", "`mode` is not JSON: line 1 column 1: Expecting value"),
        (b'"\xff"', "`mode` is not JSON: byte 1 is not UTF-8"),
        (b"[NaN]", "`mode` is not usable JSON: NaN is no JSON number"),
        (b"[-Infinity]", "`mode` is not usable JSON: -Infinity is no JSON number"),
        (b"[-1e400]", "`mode` is not usable JSON: -1e400 is too large a number"),
        (b"1" + b"0" * 400 + b".5", "`mode` is not usable JSON: 10000000000000000000 is too large a number"),
        (b"9" * 5000, "`mode` is not usable JSON: it holds a number of thousands of digits"),
        (b"[" * 65 + b"]" * 65, "`mode` is nested more than 64 levels deep; nothing useful here is"),
        (b"[" * 500_000, "`mode` is nested more than 64 levels deep; nothing useful here is"),
        (b'{"a":' * 500_000, "`mode` is nested more than 64 levels deep; nothing useful here is"),
        (b'["\\ud800"]', "`mode` holds half of a Unicode letter (a lone surrogate); write the whole letter"),
    ],
)
def test_parse_reports_a_mistake_in_one_line(text, message):
    with pytest.raises(RequestError) as caught:
        json_text.parse(text, name="mode")
    assert str(caught.value) == message


def test_parse_accepts_the_deepest_nesting():
    assert json_text.parse(b"[" * 64 + b"]" * 64, name="mode")


def test_parse_reads_a_pair_of_surrogates_as_a_letter():
    assert json_text.parse(b'"\\ud83d\\ude00"', name="mode") == "😀"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_parse_returns_whatever_json_can_hold(value):
    assert json_text.parse(json.dumps(value).encode(), name="mode") == value


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"{}," * 100_000 + b"{}]",
        b"[" + b"[]," * 100_000 + b"[]]",
        b"[" + b"0.5," * 100_000 + b"0.5]",
        b"[" + b'"",' * 100_000 + b'""]',
        b"[" + b'"ab",' * 100_000 + b'"ab"]',
        b"[" + b'{"abcdefgh":1000},' * 100_000 + b"0]",
        b"[" + b"[255,255,255]," * 100_000 + b"0]",
        b"{" + b",".join(b'"%d":[]' % number for number in range(100_000)) + b"}",
    ],
    ids=["objects", "lists", "numbers", "empty texts", "texts", "keyed", "pixels", "keys"],
)
def test_working_bytes_is_above_what_parsing_takes(text):
    tracemalloc.start()
    value = json.loads(text)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert value
    assert taken <= json_text.working_bytes(text)
