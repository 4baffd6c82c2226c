"""Whole runs with the small model, for the tests of this package."""

import json

from mrcnn.annotate import run
from mrcnn.config.load import load_inference_config
from mrcnn.events import JsonLog
from mrcnn.predict.predictor import Predictor
from tests.predict import helpers

OBJECT = helpers.rectangle("cat", 1, 2, 5, 8, tags=["seen"])


def make_animals(folder):
    """Writes a project of three images in two data sets."""
    images = {
        "ds1/a.png": (20, 30, 200, [OBJECT], ["train"]),
        "ds1/b.png": (40, 24, 100, [], []),
        "ds2/a.png": (16, 16, 240, [OBJECT], []),
    }
    return helpers.write_project(folder / "animals", images, tags=(("train", "none"), ("seen", "none")))


def run_on(source, output, *, config=None, log=None, bundle=None, predictor=Predictor, **options):
    """Applies the small model to a source."""
    return run.apply(
        predictor(bundle or helpers.make_bundle()),
        source,
        output,
        config=load_inference_config(config or {}),
        log=log or JsonLog(),
        options=run.Options(**options),
    )


def events(capsys):
    """Returns what was logged, line by line."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def tree(directory):
    """Returns the content of all files by their paths."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
