import cv2
import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.evaluate.analysis.compare import Panels
from mrcnn.train import examples
from mrcnn.train.examples import Examples
from mrcnn.train.optional_files import OptionalFiles
from tests.evaluate.analysis.test_seen import detections, truth


@pytest.mark.parametrize(
    ("classes", "count", "expected"),
    [
        ([{1}] * 12, 4, (0, 3, 6, 9)),
        ([{1}, (), (), {1}, {1}], 2, (0, 3)),  # of 0, 3, 4
        ([{1}, {2}] * 6, 3, (0, 1, 4)),  # 0, 4 and 8 would all be of class 1
        ([{1}, {1, 2}, {3}, {3}, {1}], 2, (0, 2)),  # 0 and 2 are spread evenly, and have new classes
        ([{1}, {2}, {3}, {4}], 2, (0, 2)),
        ([(), {1}, ()], 6, (1,)),
        ([(), ()], 6, (0, 1)),
        ([], 6, ()),
    ],
)
def test_chosen(classes, count, expected):
    assert examples.chosen(classes, count=count) == expected


@pytest.mark.parametrize(
    ("every", "validate_every", "epochs", "expected"),
    [
        (None, 1, 5, [1, 2, 3, 4, 5]),
        (None, 1, 60, [1, *range(3, 61, 3)]),  # 60 / 20 = 3
        (4, 1, 10, [1, 4, 8, 10]),
        (4, 3, 13, [3, 6, 12, 13]),  # every second validation
        (0, 1, 5, []),
        (100, 1, 5, [1, 5]),
    ],
)
def test_is_due(every, validate_every, epochs, expected):
    validated = [epoch for epoch in range(epochs) if (epoch + 1) % validate_every == 0 or epoch + 1 == epochs]
    due = [
        epoch + 1
        for epoch in validated
        if examples.is_due(epoch, every=every, validate_every=validate_every, epochs=epochs)
    ]
    assert due == expected


def make(folder, log, *, images=(0, 2), read=lambda image_id: np.zeros((10, 10, 3), np.uint8), due=lambda epoch: True):
    return Examples(images, read=read, names=["a.png", "b.png", "c.png"], titles=("bg", "cat"), due=due, folder=folder,
                    optional_files=OptionalFiles(log))  # fmt: skip


def collect(made):
    for image_id in (2, 1, 0):
        made.add(image_id, truth((0, 0, 4, 4)), detections((0, 0, 4, 4), scores=[0.9]))


def test_examples_draw_the_chosen_images(tmp_path, log, monkeypatch):
    drawn, sheet = [], examples.sheet
    monkeypatch.setattr(
        examples,
        "sheet",
        lambda title, tiles: drawn.append((title, [name for name, _ in tiles])) or sheet(title, tiles),
    )
    made = make(tmp_path, log)
    collect(made)
    made.on_epoch_end(4)
    assert drawn == [("epoch 5: labels, and detections with a score of at least 0.3", ["a.png", "c.png"])]
    assert [path.name for path in (tmp_path / "val_examples").iterdir()] == ["epoch_0005.jpg"]
    assert cv2.imread(str(tmp_path / "val_examples" / "epoch_0005.jpg")) is not None
    made.on_epoch_end(5)  # not validated
    assert len(drawn) == 1


def test_examples_of_an_epoch_that_is_not_due_are_dropped(tmp_path, log):
    made = make(tmp_path, log, due=lambda epoch: epoch == 1)
    collect(made)
    made.on_epoch_end(0)
    made.on_epoch_end(1)
    assert list(tmp_path.iterdir()) == []


def test_examples_of_an_image_that_cannot_be_read_any_more(tmp_path, log):
    def read(image_id):
        raise UserError("gone")

    made = make(tmp_path, log, read=read)
    collect(made)
    made.on_epoch_end(0)
    assert list(tmp_path.iterdir()) == []


def test_examples_that_cannot_be_written_do_not_end_the_run(tmp_path, log):
    (tmp_path / "val_examples").touch()
    made = make(tmp_path, log)
    collect(made)
    made.on_epoch_end(0)
    assert any("cannot write the optional" in message for message in log.messages)


def test_sheet_has_two_pairs_in_a_row():
    def pair(height, width, value):
        return Panels(*(np.full((height, width, 3), value, np.uint8) for _ in range(2)))

    drawn = examples.sheet("title", [("a", pair(20, 30, 200)), ("b", pair(30, 20, 210)), ("c", pair(10, 10, 220))])
    margin, line = examples.MARGIN, examples.LINE
    # rows of 30 pixels and a name, columns of two pictures of 30
    assert drawn.shape == (2 * (30 + line + margin) + line + margin, 2 * (60 + 2 * margin) + margin, 3)
    assert [(drawn == value).all(axis=-1).sum() for value in (200, 210, 220)] == [1200, 1200, 200]
    alone = examples.sheet("title", [("a", pair(20, 30, 200))])
    assert alone.shape == (20 + line + margin + line + margin, 60 + 3 * margin, 3)
