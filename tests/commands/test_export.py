import argparse
from pathlib import Path

import pytest

from mrcnn.commands import export, paths
from mrcnn.export import run


def test_main_exports_with_the_options(monkeypatch):
    calls = []
    monkeypatch.setattr(paths, "check_model", lambda model, **arguments: None)
    monkeypatch.setattr(run, "export", lambda *given, **named: calls.append((given, named)))
    assert (
        export.main(["--model", "m", "--out", "o", "--score-threshold", "0.5", "--no-tf32", "--log-format", "json"])
        == 0
    )
    ((given, named),) = calls
    assert given == (Path("m"), Path("o"))
    assert named["tf32"] is False
    assert (named["score_threshold"], named["images"], named["device"], named["format"].format) == (
        0.5,
        None,
        "cpu",
        "saved_model",
    )


def test_main_compares_on_a_project(monkeypatch, tmp_path, capsys):
    calls = []
    monkeypatch.setattr(paths, "check_model", lambda model, **arguments: None)
    monkeypatch.setattr(paths, "check_data", lambda project, data: calls.append(project))
    monkeypatch.setattr(run, "export", lambda *given, images, **named: calls.append(images))
    given = ["--model", "m", "--out", str(tmp_path / "o"), "--log-format", "json", "--tag", "val"]
    assert export.main([*given, "--project", "p"]) == 0
    assert calls == [Path("p"), run.Labelled(Path("p"), "val", None)]
    assert export.main(given) == 1
    assert "--tag val selects images of a project; add --project" in capsys.readouterr().err


def test_main_needs_a_model(capsys):
    with pytest.raises(SystemExit) as stop:
        export.main(["--out", "o"], prog="mrcnn export")
    assert stop.value.code == 2
    assert "mrcnn export: error: the following arguments are required: --model" in capsys.readouterr().err


def test_add_options_has_two_names_of_the_output():
    parser = argparse.ArgumentParser()
    export.add_options(parser)
    assert {parser.parse_args(["--model", "m", name, "o"]).out for name in ("--out", "--output")} == {Path("o")}
