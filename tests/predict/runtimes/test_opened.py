from pathlib import Path

from mrcnn.predict.runtimes import opened


def test_damaged_is_one_line_with_the_article_of_the_title():
    error = opened.damaged(Path("a.onnx"), RuntimeError("bad\nfile " + "x" * 1000), title="ONNX file")
    assert str(error).startswith("a.onnx cannot be opened as an ONNX file, export it again: bad file xxx")
    assert len(str(error)) < 300
    assert "as a SavedModel, export" in str(opened.damaged(Path("a"), RuntimeError(), title="SavedModel"))
