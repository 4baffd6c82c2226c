import pytest

from mrcnn.card import write
from mrcnn.card.facts import Picture
from mrcnn.errors import UserError

from . import made
from .test_contents import Log


def test_write_card_writes_into_the_best_checkpoint(tmp_path):
    pictures = (Picture(file="example-1.jpg", image="a"), Picture(file="../card.yaml", image="b"))
    facts = made.FACTS.model_copy(update={"best": made.BEST.model_copy(update={"pictures": pictures})})
    run = made.write_run(tmp_path / "run", facts=facts)
    (run / "example-1.jpg").write_bytes(b"picture")
    (tmp_path / "card.yaml").write_text("license: mit")
    path = write.write_card(run, texts=tmp_path / "card.yaml", log=Log())
    assert path == run / "00000001" / "README.md"
    assert "license: mit" in path.read_text()
    assert "![a](example-1.jpg)" in path.read_text()
    names = sorted(item.name for item in path.parent.iterdir())
    assert names == ["README.md", "config.json", "example-1.jpg", "model_weights"]
    assert (path.parent / "example-1.jpg").read_bytes() == b"picture"


def test_write_card_again_replaces_its_own(tmp_path):
    run = made.write_run(tmp_path / "run")
    path = write.write_card(run, log=Log())
    (run / "card.yaml").write_text("name: Second")
    assert write.write_card(run / "best", log=Log()) == path
    assert "# Second" in path.read_text()


def test_write_card_keeps_a_readme_of_others(tmp_path):
    run = made.write_run(tmp_path / "run")
    (run / "best" / "README.md").write_text("mine")
    with pytest.raises(UserError, match=r"README.md was not written by mrcnn; move it away, or put its texts"):
        write.write_card(run, log=Log())
    assert (run / "best" / "README.md").read_text() == "mine"


def test_write_card_of_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    run = made.write_run(tmp_path / "run")

    def fail(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write.files, "replaced", fail)
    with pytest.raises(UserError, match=r"cannot write the model card .*README.md: No space left"):
        write.write_card(run, log=Log())
