import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from mrcnn.errors import UserError
from mrcnn.scale import failure


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("trace\nmrcnn.errors.UserError: cannot read x; name y\n\nmore of Java", "cannot read x; name y"),
        ("a\nUserError: first\nb\nUserError: last\r\n", "last"),
        ("a\n\nOut of room\n \n", "Ray ended the job: Out of room; start it again to continue"),
        ("", "Ray ended the job: RuntimeError; start it again to continue"),
    ],
)
def test_as_user_error_finds_the_line(text, line):
    assert str(failure.as_user_error(RuntimeError(text), "Ray")) == line


def test_as_user_error_keeps_a_user_error():
    error = UserError("x")
    assert failure.as_user_error(error, "Ray") is error
