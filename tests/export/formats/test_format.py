"""What a format is: which methods it must have, and the defaults of the others."""

import pytest

from mrcnn.export.formats.format import Format
from tests.export import helpers


class Least(Format):
    title = "least"

    def write(self, model, folder):
        raise NotImplementedError

    def open(self, folder, settings):
        raise NotImplementedError


def test_format_defaults():
    least = Least()
    assert least.limits(helpers.make_exportable().settings) == []
    assert (least.write_errors, dict(least.versions)) == ((), {})


@pytest.mark.parametrize("missing", ["write", "open"])
def test_format_needs_write_and_open(missing):
    body = {name: lambda *_: None for name in ("write", "open") if name != missing}
    with pytest.raises(TypeError, match=f"abstract method '?{missing}"):
        type("Half", (Format,), body)()
