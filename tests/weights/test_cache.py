from pathlib import Path

from mrcnn.weights import cache


def test_place_is_in_the_folder_of_keras(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert cache.place("https://a.b/c/d.pth") == tmp_path / "models" / "d.pth"
    monkeypatch.delenv("KERAS_HOME")
    assert cache.folder() == Path.home() / ".keras" / "models"
