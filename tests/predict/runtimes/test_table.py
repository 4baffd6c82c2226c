import importlib
from pathlib import Path

import pytest

from mrcnn.errors import UserError
from mrcnn.export.formats import table as formats
from mrcnn.model_folder import layout
from mrcnn.predict.runtimes import table

ONNX, SAVED_MODEL = (next(kind for kind in table.KINDS if kind.format == name) for name in ("onnx", "saved_model"))


@pytest.mark.parametrize("kind", table.KINDS, ids=lambda kind: kind.format)
def test_each_kind_is_a_format_of_the_export_with_a_runtime(kind):
    assert kind.format in formats.FORMATS
    assert kind.file in layout.EXPORT_FILES
    assert callable(importlib.import_module(kind.module).open_file)


def test_locate_finds_files_by_their_ending_and_folders_by_their_files(tmp_path):
    assert table.locate("missing/other.ONNX") == (Path("missing/other.ONNX"), ONNX)
    assert table.locate(tmp_path) is None
    (tmp_path / "model.onnx").touch()
    assert table.locate(str(tmp_path)) == (tmp_path / "model.onnx", ONNX)
    (tmp_path / "config.json").touch()  # a model folder is used itself
    assert table.locate(tmp_path) is None
    assert table.locate(tmp_path / "model.onnx").kind == ONNX
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "saved_model.pb").touch()
    assert table.locate(folder) == table.locate(folder / "saved_model.pb") == (folder / "saved_model.pb", SAVED_MODEL)


@pytest.mark.parametrize("model", ["coco", "runs/first", "model.h5", "a.pth", "onnx", "detectron2:x"])
def test_locate_leaves_other_models_alone(model):
    assert table.locate(model) is None


def test_open_located_and_check_there_name_the_command_that_writes_a_missing_file(tmp_path):
    for path, text in (
        (tmp_path / "a.onnx", r"^there is no ONNX file .*a.onnx; `mrcnn export --format onnx` writes one$"),
        (tmp_path / "a.pb", r"^there is no SavedModel .*a.pb; `mrcnn export --format saved_model` writes one$"),
    ):
        for check in (table.check_there, table.open_located):
            with pytest.raises(UserError, match=text):
                check(table.locate(path))


@pytest.mark.parametrize("kind", table.KINDS, ids=lambda kind: kind.format)
def test_check_there_names_a_file_that_may_not_be_read(tmp_path, monkeypatch, kind):
    place = tmp_path / kind.file
    place.touch()

    def refuse(self, *given, **named):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError) as error:
        table.check_there(table.Located(place, kind))
    assert str(error.value) == f"cannot read the {kind.title} {place}: Permission denied; check its permissions"


@pytest.mark.parametrize("threads", [0, -1])
def test_open_located_refuses_less_than_one_thread(tmp_path, threads):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"")
    with pytest.raises(UserError, match=rf"^`threads` must be at least 1, got {threads}; leave it out"):
        table.open_located(table.locate(path), threads=threads)
