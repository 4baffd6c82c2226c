"""The notebook of the documentation: its code runs, and its links lead somewhere."""

import ast
import json
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "first_steps.ipynb"


def cells(kind):
    """Reads the texts of the cells of one kind."""
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert content["nbformat"] == 4
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def run(cell, names):
    """Runs a cell; returns the value of its last line, as a notebook shows it."""
    *before, last = ast.parse(cell).body
    exec(compile(ast.Module(before, []), str(NOTEBOOK), "exec"), names)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)
    exec(compile(ast.Module([last], []), str(NOTEBOOK), "exec"), names)
    return None


def test_links_of_the_notebook_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", "\n".join(cells("markdown")))
    assert links
    assert [link for link in links if "://" not in link and not (NOTEBOOK.parent / link).exists()] == []


def test_the_notebook_has_been_run_from_top_to_bottom():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    shown = [data for cell in code for output in cell["outputs"] for data in output.get("data", ())]
    assert shown.count("image/jpeg") == 5
    assert shown.count("text/html") == 1
    assert not [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]
    assert NOTEBOOK.stat().st_size < 1_000_000


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch, capsys):
    """With one epoch instead of nine."""
    monkeypatch.chdir(tmp_path)
    names, shown = {}, []
    for cell in cells("code"):
        value = run(cell, names)
        if isinstance(value, Image.Image):
            value.load()  # as a notebook does to show it; then the file is closed
        shown.append(value)
        if cell.startswith("config = "):
            names["config"] = names["config"].model_copy(update={"epochs": 1})
    assert [type(value).__name__ for value in shown if value is not None] == [
        "PngImageFile", "PngImageFile", "PngImageFile", "JpegImageFile", "Detections", "Image",
    ]  # fmt: skip
    assert "box_ap" in capsys.readouterr().out
    assert (tmp_path / "first_steps" / "model" / "best" / "README.md").is_file()
