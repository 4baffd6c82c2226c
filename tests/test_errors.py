import pytest

from mrcnn import errors


def test_one_line_joins_lines():
    assert errors.one_line("a.json\nis  not JSON\r\nfix it") == "a.json is  not JSON fix it"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),  # a terminal would change its colour
        ("a\x07b\x00c\x7f", r"a\x07b\x00c\x7f"),
        ("\x9b31m", r"\x9b31m"),  # the one-byte form of ESC [
        ("\u202egnp.exe", r"\u202egnp.exe"),  # shown from right to left
        ("\ud800", r"\ud800"),  # a lone surrogate cannot be printed at all
        ("Äpfel 👩\u200d🌾", "Äpfel 👩\u200d🌾"),
        ("", ""),
    ],
)
def test_one_line_escapes_what_a_terminal_would_obey(text, shown):
    assert errors.one_line(text) == shown


def test_one_line_cuts_the_middle_of_a_long_text():
    cut = errors.one_line("a" * 400 + "b" * 400, most=30)
    assert cut == "a" * 17 + " … " + "b" * 10  # 30 - 10 - 3 at the start, a third at the end
    assert errors.one_line("c" * 30, most=30) == "c" * 30


def test_one_line_of_millions_of_characters_is_as_short():
    cut = errors.one_line("a" * 5_000_000 + "\x1b" * 5_000_000 + "b", most=100)
    assert len(cut) == 100
    assert cut.startswith("aaaa")
    assert cut.endswith(r"\x1bb")


def test_user_error_is_one_line():
    assert str(errors.UserError("class '\x1b[2J'\nis unknown")) == r"class '\x1b[2J' is unknown"


def test_printable_keeps_lines_and_cuts_nothing():
    assert errors.printable("a\x1b[2J\n" + "b" * 1000 + "\n") == r"a\x1b[2J" + "\n" + "b" * 1000 + "\n"
    assert errors.printable("") == ""


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (10_000, "10000 images")]
)
def test_counted_has_the_plural_unless_there_is_one(number, text):
    assert errors.counted(number, "image") == text


class OpError(Exception):
    """A fake of TensorFlow's error of that name, as the two below; the last two are JAX's and PyTorch's."""


class ResourceExhaustedError(OpError):
    pass


class InternalError(OpError):
    pass


class JaxRuntimeError(RuntimeError):
    pass


class OutOfMemoryError(RuntimeError):
    pass


def raised_from(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (errors.OutOfMemory("full"), True),
        (ResourceExhaustedError("OOM when allocating tensor with shape[4,256]"), True),
        (ResourceExhaustedError("{{node save}} No space left on device"), False),
        (InternalError("Failed to call cudnnConvolutionForward: CUDNN_STATUS_ALLOC_FAILED"), True),
        (InternalError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"), True),
        (InternalError("CUDNN_STATUS_EXECUTION_FAILED"), False),
        (JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes."), True),
        (JaxRuntimeError("INVALID_ARGUMENT: shapes"), False),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
            True,
        ),
        (RuntimeError("expected 4 channels"), False),
        (ValueError("out of memory"), False),  # some other text
        (raised_from(ValueError("bad"), MemoryError()), True),
        (raised_from(ValueError("bad"), raised_from(KeyError("a"), ResourceExhaustedError("OOM"))), True),
        (raised_from(MemoryError(), ValueError("bad")), True),
        (ValueError("bad"), False),
    ],
)
def test_is_out_of_memory(error, expected):
    assert errors.is_out_of_memory(error) is expected


def test_out_of_memory_is_one_line():
    assert str(errors.OutOfMemory("lower\n`a`")) == "lower `a`"


def test_shortened_keeps_both_ends():
    assert errors.shortened("abcdefghij", most=10) == "abcdefghij"
    assert errors.shortened("abcdefghijk", most=10) == "abcdef…ijk"  # 9 letters: a third of them from the end
    assert errors.shortened("", most=10) == ""


def test_with_advice_replaces_errors_of_memory_alone():
    advised = errors.with_advice(MemoryError("too large"))
    assert isinstance(advised, errors.UserError)
    assert str(advised).startswith("out of memory (too large): use smaller batches")
    assert str(errors.with_advice(errors.OutOfMemory("use a smaller batch"))) == "use a smaller batch"
    for other in (errors.UserError("out of memory"), ValueError("wrong")):
        assert errors.with_advice(other) is other
