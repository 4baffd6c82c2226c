"""What a whole run records besides its checkpoints: classes, the model card, energy and trackers."""

import csv
import json

import pytest

from mrcnn.errors import UserError
from mrcnn.train import run

from . import fake_trackers
from .runs import contents


def test_a_run_measures_each_class(whole):
    output, log = whole
    with (output / "val_per_class.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["class"]) for row in rows] == [
        (str(n), title) for n in (1, 2, 3) for title in ("bar", "disc")
    ]
    last = {row["class"]: float(row["box_ap50"]) for row in rows[-2:]}
    assert sum(int(row["objects"]) for row in rows[-2:]) == 3
    history_row = contents(output)[3][-1]
    assert sum(last.values()) / 2 == pytest.approx(float(history_row["val_box_ap50"]))
    assert len([line for line in log.messages if line.startswith("val mask AP by class: bar ")]) == 3


def test_a_run_leaves_a_model_card_of_its_best_checkpoint(whole):
    output, log = whole
    assert f"model card: {output / 'best' / 'README.md'}" in log.messages
    best = (output / "best").resolve()
    assert sorted(path.name for path in best.iterdir()) == [
        "README.md", "config.json", "example-1.jpg", "example-2.jpg", "model_weights", "training_state.h5",
    ]  # fmt: skip
    card = (best / "README.md").read_text()
    for part in ("6 training images and 3 validation images of project.", "| box AP50 | 1.000 |",
                 "![ds/6.png](example-1.jpg)", "- **Training regime:** fp32", "| epochs made | 3 |"):  # fmt: skip
        assert part in card
    assert [path for path in output.glob("0*/README.md")] == [best / "README.md"]


def test_a_card_that_cannot_be_written_does_not_end_a_run(train, tmp_path):
    (tmp_path / "card.yaml").write_text("licence: mit")
    (tmp_path / "run.json").mkdir()
    log = train(tmp_path, epochs=1)
    assert any(
        line.startswith("writing the model card failed: ") and "unknown key `licence`" in line for line in log.messages
    )
    assert sum("run.json failed: " in line for line in log.messages) == 1
    assert log.messages[-1].startswith("trained 1 epoch")


def test_a_resumed_run_counts_all_its_hours(train, tmp_path):
    train(tmp_path, epochs=1)
    before = json.loads((tmp_path / "run.json").read_text())["processes"]
    train(tmp_path, epochs=2, resume=True)
    after = json.loads((tmp_path / "run.json").read_text())
    assert after["processes"][:1] == before
    assert [process["epochs"] for process in after["processes"]] == [1, 1]
    assert "in 2 processes" in (tmp_path / "best" / "README.md").read_text()


def test_a_missing_package_for_the_energy_is_named_before_data_is_read(train, tmp_path, monkeypatch):
    monkeypatch.setitem(run.optional.EXTRAS, "energy", ("no_such_package",))
    with pytest.raises(UserError, match=r"`energy_country` needs the package no_such_package; install it by .*energy"):
        train(tmp_path / "out", energy_country="DEU")
    assert not (tmp_path / "out").exists()


def test_a_run_and_its_resume_are_one_run_at_a_tracker(train, tmp_path, monkeypatch):
    package = fake_trackers.install(monkeypatch)["mlflow"]
    monkeypatch.setitem(run.optional.EXTRAS, "mlflow", ())
    log = train(tmp_path, epochs=1, trackers=["mlflow"])
    assert "MLflow: run id0 in sqlite:///a.db" in log.messages
    train(tmp_path, epochs=2, resume=True, trackers=["mlflow"])
    (found,) = package.runs.values()
    assert list(found["metrics"]) == [1, 2]
    assert {"loss", "lr", "val_loss", "val_box_ap", "images_per_second"} <= set(found["metrics"][2])
    assert (found["status"], found["params"]["epochs"]) == ("FINISHED", "1")
