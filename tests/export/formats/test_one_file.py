"""The base of formats of one file; each format tests what it writes."""

import pytest

from mrcnn import optional
from mrcnn.errors import UserError
from mrcnn.export.formats.one_file import OneFile
from tests.export import helpers


class Unknown(OneFile):
    """A file that no runtime opens."""

    title, extra, purpose, function, file = "toy", "onnx-run", "the export to toys", "image", "model.toy"

    def write(self, model, folder):
        raise NotImplementedError


def test_limits_names_what_installs_a_missing_package(monkeypatch):
    settings = helpers.make_exportable().settings
    monkeypatch.setattr(optional, "missing", lambda extra: [])
    assert Unknown().limits(settings) == []
    monkeypatch.setattr(optional, "missing", lambda extra: ["onnxruntime"])
    with pytest.raises(UserError, match=r"^the export to toys needs the package onnxruntime; install it by .*onnx-run"):
        Unknown().limits(settings)


def test_open_needs_a_runtime(tmp_path):
    with pytest.raises(ValueError, match=r"^no runtime of `runtimes.table` opens model\.toy$"):
        Unknown().open(tmp_path, helpers.make_exportable().settings)
