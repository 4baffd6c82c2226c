import csv
import math

import pytest

from mrcnn.train import class_history
from mrcnn.train.class_history import ClassRecorder
from mrcnn.train.clock import Clock
from mrcnn.train.optional_files import OptionalFiles

CAT, DOG = {"objects": 3, "box_ap": 0.5, "mask_ap": 0.25}, {"objects": 0, "box_ap": math.nan, "mask_ap": math.nan}
TWO = {"cat": CAT, "dog": DOG}


def recorder(folder, log, make_state, *, found=TWO, epoch=0):
    clock = Clock(make_state())
    clock.epoch = epoch
    made = ClassRecorder(clock, measured=lambda: found, folder=folder, log=log, optional_files=OptionalFiles(log))
    made.on_train_begin()
    return made


def rows(folder):
    with (folder / class_history.FILE).open() as file:
        return list(csv.DictReader(file))


def test_class_recorder_has_a_row_for_each_epoch_and_class(tmp_path, log, make_state):
    made = recorder(tmp_path, log, make_state)
    made.on_epoch_end(0, {"val_loss": 1.0})
    made.on_epoch_end(1, {"loss": 1.0})  # not validated
    made.on_epoch_end(2, {"val_loss": 1.0})
    found = [(row["epoch"], row["class"], row["objects"], row["mask_ap"]) for row in rows(tmp_path)]
    assert found == [("1", "cat", "3", "0.25"), ("1", "dog", "0", ""), ("3", "cat", "3", "0.25"), ("3", "dog", "0", "")]
    assert log.messages == ["val mask AP by class: cat 0.250, dog -"] * 2


def test_class_recorder_of_a_resumed_run_drops_repeated_epochs(tmp_path, log, make_state):
    made = recorder(tmp_path, log, make_state)
    for epoch in range(3):
        made.on_epoch_end(epoch, {"val_loss": 1.0})
    again = recorder(tmp_path, log, make_state, epoch=1, found={"cat": {**CAT, "mask_ap": 0.75}})
    again.on_epoch_end(1, {"val_loss": 1.0})
    found = [(row["epoch"], row["class"], row["mask_ap"]) for row in rows(tmp_path)]
    assert found == [("1", "cat", "0.25"), ("1", "dog", ""), ("2", "cat", "0.75")]


def test_class_recorder_goes_on_without_a_file_that_cannot_be_written(tmp_path, log, make_state):
    (tmp_path / class_history.FILE).mkdir()
    recorder(tmp_path, log, make_state).on_epoch_end(0, {"val_loss": 1.0})
    assert "val mask AP by class: cat 0.250, dog -" in log.messages
    assert any("cannot write the optional" in message for message in log.messages)


def test_read_leaves_out_what_is_no_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('epoch,class,ap\n1,"cat, black",0.5\nx,dog,0.5\n2,dog,0.5,9\n\n')
    assert class_history.read(path, epochs=2) == [
        {"epoch": "1", "class": "cat, black", "ap": "0.5"},
        {"epoch": "2", "class": "dog", "ap": "0.5"},
    ]
    path.write_text("")
    assert class_history.read(path, epochs=2) == []


def test_line_of_many_classes_has_the_weakest():
    found = {"none": {"mask_ap": math.nan}} | {f"c{index}": {"mask_ap": index / 100} for index in range(30, 0, -1)}
    line = class_history.line(found)
    assert line.startswith("val mask AP of the weakest 10 of 31 classes: c1 0.010, c2 0.020, ")
    assert line.endswith(", c10 0.100")


@pytest.mark.parametrize("found", [{}, {"cat": CAT}, {"cat": {"objects": 1}, "dog": {"objects": 2}}])
def test_line_of_what_says_no_more_than_the_mean(found):
    assert class_history.line(found) is None


def test_line_without_masks_has_boxes():
    found = {"cat": {"box_ap": 0.5}, "dog\n": {"box_ap": 0.25}}
    assert class_history.line(found) == "val box AP by class: cat 0.500, dog 0.250"
