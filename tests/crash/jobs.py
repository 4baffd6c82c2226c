"""The runs that are killed: small, whole, and the same each time."""

import csv
from pathlib import Path

import numpy as np

from mrcnn.annotate import run as inference
from mrcnn.config.load import load_inference_config, load_train_config
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.train import checkpoint
from mrcnn.train import run as training
from mrcnn.train import state as states
from mrcnn.weights import hdf5
from tests.predict import helpers
from tests.train import fake, tiny

TIMES = ("train_seconds", "images_per_second", "input_wait", "memory_gb", "memory_peak_gb")
SETTINGS = {"epochs": 3, "lr": 0.05, "checkpoints": {"keep": 1}, "validation": {"ap": False}}


class Training:
    """Three epochs of a model of two layers, of which the newest checkpoint and the best one are kept."""

    name = "training"

    def __init__(self, folder: Path):
        """Writes the project."""
        self.project = tiny.write_project(folder / "project", train=4, val=2)

    def run(self, output: Path, *, resume: bool) -> None:
        """Trains into `output`."""
        training.build.build.build_model = lambda config, *, num_classes: fake.FakeMaskRCNN(
            num_classes=num_classes, side=tiny.SIDE
        )
        config = load_train_config({**tiny.CONFIG, **SETTINGS})
        training.train(config, project_dir=self.project, output_dir=output, log=JsonLog(), resume=resume)

    def check_killed(self, output: Path) -> None:
        """Checks what a kill must not break: no link to nothing, no checkpoint that is not whole."""
        for link in (output / checkpoint.BEST, output / checkpoint.LAST):
            assert not link.is_symlink() or link.is_dir(), f"{link.name} leads nowhere"
        for folder in output.glob("0*"):
            with hdf5.read_file(folder / checkpoint.WEIGHTS) as file:
                assert file.layers, f"{folder.name} has no weights"

    def must_be_resumed(self, output: Path) -> bool:
        """Checks whether a start without --resume is to be refused."""
        return checkpoint.holds_checkpoints(output)

    def result(self, output: Path) -> dict[str, object]:
        """Returns what must be equal in all finished runs."""
        last = checkpoint.find_last(output)
        assert last is not None
        with hdf5.read_file(last / checkpoint.WEIGHTS) as file:
            weights = {name: value[()].tobytes() for layer in file.layers.values() for name, value in layer.items()}
        state = states.read(last / states.FILE)
        with (output / "history.csv").open() as file:
            rows = [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]
        files = {str(path.relative_to(output)): True for path in output.rglob("*") if "tensorboard" not in path.parts}
        links = {f"link {link}": (output / link).resolve().name for link in (checkpoint.BEST, checkpoint.LAST)}
        arrays = [np.asarray(value).tobytes() for value in state.optimizer]
        where = {"optimizer": arrays, "epoch": state.epoch, "step": state.step, "history": rows}
        return {**weights, **where, **files, **links}


class Inference:
    """Five images, with pictures and results, by a model that looks at brightness."""

    name = "inference"

    def __init__(self, folder: Path):
        """Writes the images."""
        for index in range(5):
            helpers.write_image(folder / "photos" / f"{index}.png", 20, 30 + index, 40 * (index + 1))
        self.photos = folder / "photos"

    def run(self, output: Path, *, resume: bool) -> None:
        """Applies the model."""
        inference.apply(
            Predictor(helpers.make_bundle()),
            sources.open_images(self.photos),
            output,
            config=load_inference_config({}),
            log=JsonLog(),
            options=inference.Options(overlay=True, resume=resume),
        )

    def check_killed(self, output: Path) -> None:
        """Checks that a project with its name is whole."""
        project = output / "photos"
        assert not project.exists() or (project / "meta.json").is_file(), "an unfinished project has its name"

    def must_be_resumed(self, output: Path) -> bool:
        """Checks whether a start without --resume is to be refused."""
        if (output / "photos").exists():
            return True
        try:
            inference.output.check(output / "photos", resume=False)
        except UserError:
            return True
        return False

    def result(self, output: Path) -> dict[str, object]:
        """Returns all that was written."""
        return {
            str(path.relative_to(output)): path.read_bytes() if path.is_file() else b"" for path in output.rglob("*")
        }


JOBS = {job.name: job for job in (Training, Inference)}
