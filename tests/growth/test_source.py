"""A further data source, defined here alone: a text file that lists discs trains, evaluates and infers."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from mrcnn.annotate import run as annotating
from mrcnn.config.load import load_inference_config, load_train_config
from mrcnn.data.sources import table
from mrcnn.data.sources.source import DataPaths, Sets, Source
from mrcnn.errors import UserError
from mrcnn.evaluate import run as scoring
from mrcnn.events import JsonLog
from mrcnn.model_folder import read
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.project.annotation import Annotation, Label
from mrcnn.project.geometry import Bitmap
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.project.reader import Project
from mrcnn.train import run
from tests.predict import helpers
from tests.train import fake, tiny

SIDE = 48


@dataclass(frozen=True)
class DiscImage:
    """A line `set name y x radius` of the text file."""

    dataset: str
    name: str
    image_path: Path
    ann_path: Path
    circle: tuple[str, ...]

    def read_annotation(self, meta):
        try:
            y, x, radius = map(int, self.circle)
        except ValueError as error:
            raise UserError(f"{self.ann_path}: the line of {self.name} must end with three numbers") from error
        return Annotation((SIDE, SIDE), (), (Label("disc", Bitmap.from_canvas(disc(y, x, radius))),))


def disc(y, x, radius):
    return cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (x, y), radius, 1, -1) > 0


def by_first_word(items, annotations, settings):
    train, val = (tuple(i for i, item in enumerate(items) if item.dataset == name) for name in ("learn", "exam"))
    return Sets(train, val, ("the lines learn", "the lines exam"), "add lines")


def open_source(paths):
    lines = [line.split() for line in paths.data.read_text().splitlines()]
    items = tuple(
        DiscImage(split, name, paths.data.parent / name, paths.data, tuple(circle)) for split, name, *circle in lines
    )
    meta = ProjectMeta((ClassMeta("disc", color="#123456"),))
    return Source(paths.data.stem, meta, items, by_first_word, kind="list of discs", classes_in="this test")


DISCS = table.Format("a list of discs (.discs)", lambda path: path.suffix == ".discs", open_source)


@pytest.fixture
def discs(tmp_path, monkeypatch):
    """Registers the format, and writes a list of six images and a broken line."""
    monkeypatch.setitem(table.FORMATS, "discs", DISCS)
    lines = []
    for index in range(6):
        y, x, radius = 16 + index, 20 + 2 * index, 6 + index
        name = f"{index}.png"
        cv2.imwrite(str(tmp_path / name), np.dstack([disc(y, x, radius) * np.uint8(200)] * 3))
        lines.append(f"{'learn' if index < 4 else 'exam'} {name} {y} {x} {radius}")
    (tmp_path / "coins.discs").write_text("\n".join([*lines, "learn 0.png nothing"]))
    return DataPaths(tmp_path / "coins.discs")


def test_train_on_a_source_of_this_file_alone(discs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        run.build.build,
        "build_model",
        lambda config, *, num_classes: fake.FakeMaskRCNN(num_classes=num_classes, side=tiny.SIDE),
    )
    config = load_train_config({**tiny.CONFIG, "epochs": 1})
    run.train(config, data=discs, output_dir=tmp_path / "out", log=JsonLog())
    told = capsys.readouterr().err
    assert "4 training and 2 validation images" in told
    assert "skipped learn/0.png" in told
    folder = read.read_model(tmp_path / "out")
    assert folder.class_names == ("bg", "disc")
    assert [item.color for item in folder.class_metas] == ["#123456"]


def test_evaluate_on_a_source_of_this_file_alone(discs):
    source = sources.open_annotated(discs)
    predictor = Predictor(helpers.make_bundle(names=("bg", "disc", "cat")))
    metrics = scoring.evaluate(predictor, source, log=JsonLog())
    assert (metrics["images"], metrics["skipped"]) == (6, 1)
    assert metrics["per_class"]["disc"]["objects"] == 6


def test_open_data_of_a_source_of_this_file_alone_keeps_its_objects(discs, tmp_path):
    source = sources.open_data(discs)
    assert (source.name, source.kind, len(source.entries)) == ("coins", "list of discs", 7)
    predictor, config = Predictor(helpers.make_bundle()), load_inference_config({})
    annotating.apply(predictor, source, tmp_path / "out", config=config, log=JsonLog(), options=annotating.Options())
    project = Project.open(tmp_path / "out" / "coins")
    labels = project.items[-1].read_annotation(project.meta).labels
    assert (project.items[-1].dataset, labels[0].class_title) == ("learn", "disc")
    np.testing.assert_array_equal(labels[0].geometry.to_mask(SIDE, SIDE)[0].shape, (19, 19))  # radius 9
