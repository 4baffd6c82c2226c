from pathlib import Path

from mrcnn.commands import serve
from mrcnn.serve import endpoints


def test_main_serves_with_the_options(monkeypatch):
    calls = []
    monkeypatch.setattr(endpoints, "serve", lambda settings, *, log: calls.append(settings))
    assert serve.main(["--model", "m", "--port", "0", "--log-format", "json"]) == 0
    (settings,) = calls
    assert (Path(settings.model), settings.port, settings.host) == (Path("m"), 0, "127.0.0.1")


def test_main_without_a_model_needs_a_task_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SLY_TASK_DIR", str(tmp_path / "none"))
    assert serve.main(["--log-format", "json"]) == 1
    assert "there is no task folder" in capsys.readouterr().err
