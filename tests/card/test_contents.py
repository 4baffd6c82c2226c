import pytest

from mrcnn.card import contents
from mrcnn.errors import UserError
from mrcnn.events import JsonLog

from . import made


class Log(JsonLog):
    def __init__(self):
        self.lines = []

    def emit(self, message, *, level="info", **fields):
        self.lines.append((level, message))


def test_collect_of_a_run_describes_its_best_checkpoint(tmp_path):
    log, run = Log(), made.write_run(tmp_path / "run")
    found = contents.collect(run, log=log)
    assert (found.folder.name, found.run, found.epoch, found.title) == ("00000001", run, 2, "run")
    assert found.weights_bytes == 1_000_000
    assert found.classes == ("dog_1", "cat")  # by their numbers 1 and 2
    assert found.facts == made.FACTS
    assert found.row["train_seconds"] == 300.0
    assert found.best == made.BEST
    assert found.metrics["box_ap"] == 0.5
    assert found.metrics["box_ap_small"] is None
    assert log.lines == []


def test_collect_of_another_checkpoint_has_its_own_row_alone(tmp_path):
    found = contents.collect(made.write_run(tmp_path / "run") / "00000000", log=Log())
    assert (found.epoch, found.best, found.metrics) == (1, None, {"box_ap": 0.4})


def test_collect_of_a_model_folder_alone(tmp_path):
    run = made.write_run(tmp_path / "run", facts=None, rows=())
    found = contents.collect(run / "best", log=Log())
    assert (found.run, found.epoch, found.rows, found.facts, found.metrics) == (None, None, (), None, {})
    assert found.title == "00000001"


@pytest.mark.parametrize("place", ["run", "run/00000001"])
def test_collect_reads_the_texts_beside(tmp_path, place):
    run = made.write_run(tmp_path / "run")
    (tmp_path / place / "card.yaml").write_text("license: mit\nname: My model\n")
    found = contents.collect(run, log=Log())
    assert (found.texts.license, found.title) == ("mit", "My model")
    assert contents.collect(run, texts=made.texts(name="Other"), log=Log()).title == "Other"


def test_collect_goes_on_without_damaged_files(tmp_path):
    log, run = Log(), made.write_run(tmp_path / "run")
    (run / "run.json").write_text("{")
    (run / "history.csv").write_bytes(b"\xff\xfe,\n")
    found = contents.collect(run, log=log)
    assert (found.facts, found.rows) == (None, ())
    assert [level for level, _ in log.lines] == ["warn", "warn"]
    assert "run.json is damaged" in log.lines[1][1]


def test_collect_leaves_out_cells_without_a_number(tmp_path):
    run = made.write_run(tmp_path / "run", facts=None)
    (run / "history.csv").write_text("epoch,val_loss,lr\n1,,0.1,9\n2,nan,x\n")
    assert contents.collect(run, log=Log()).rows == ({"epoch": 1.0, "lr": 0.1}, {"epoch": 2.0})


def test_collect_refuses_what_is_no_model(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        contents.collect(tmp_path / "no", log=Log())
    with pytest.raises(UserError, match=r"has neither config.json nor best/config.json"):
        contents.collect(tmp_path, log=Log())
    (tmp_path / "file.h5").touch()
    with pytest.raises(UserError, match="it is a file"):
        contents.collect(tmp_path / "file.h5", log=Log())


def test_contents_of_a_malformed_config(tmp_path):
    found = made.contents(tmp_path, config={"settings": 3, "class_title_to_idx": []})
    assert (found.settings, found.model, found.classes) == ({}, {}, ())
