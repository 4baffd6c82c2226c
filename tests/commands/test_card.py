from mrcnn.commands import card
from tests.card import made


def test_main_writes_the_card(tmp_path, capsys):
    run = made.write_run(tmp_path / "run")
    texts = tmp_path / "mine.yaml"
    texts.write_text("license: apache-2.0\n")
    assert card.main([str(run), "--texts", str(texts)]) == 0
    text = (run / "best" / "README.md").read_text()
    assert "license: apache-2.0" in text
    assert "model card: " in capsys.readouterr().err


def test_main_names_what_is_wrong(tmp_path, capsys):
    assert card.main([str(tmp_path / "no")]) == 1
    assert "does not exist" in capsys.readouterr().err
    run = made.write_run(tmp_path / "run")
    assert card.main([str(run), "--texts", str(tmp_path / "no.yaml")]) == 1
    assert "cannot read the texts of the model card" in capsys.readouterr().err
