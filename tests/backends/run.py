"""Trains a whole run of the small fake model with one back end, for `test_resume.py`.

    KERAS_BACKEND=jax python -m tests.backends.run whole PROJECT OUTPUT     trains without a stop
    KERAS_BACKEND=jax python -m tests.backends.run stop PROJECT OUTPUT      is stopped by a signal in the second epoch
    KERAS_BACKEND=jax python -m tests.backends.run resume PROJECT OUTPUT    goes on with the stopped run

It prints the warnings.
"""

import contextlib
import sys
from pathlib import Path
from unittest import mock

import pytest

from mrcnn.config.load import load_train_config
from mrcnn.train import run
from mrcnn.train.interrupt import Stopped
from tests.train import fake, tiny
from tests.train.conftest import SETTINGS, HeardLog
from tests.train.runs import SignalLog

STOPPED = 5  # steps, of three an epoch
OPTIMIZER = {"name": "adam", "global_clipnorm": 0.1, "ema_momentum": 0.75}  # two moments, averages and trained weights


def train(project, output, *, log, resume):
    """Trains three epochs of three steps, or the rest of them."""
    config = load_train_config({**tiny.CONFIG, **SETTINGS, "optimizer": OPTIMIZER})
    with mock.patch.object(run.build.build, "build_model", _build_model):
        run.train(config, project_dir=project, output_dir=output, log=log, resume=resume)
    return log


def _build_model(config, *, num_classes):
    del config
    return fake.FakeMaskRCNN(num_classes=num_classes, side=tiny.SIDE)


def main(what, project, output):
    """Trains and prints the warnings."""
    log = SignalLog("train", STOPPED) if what == "stop" else HeardLog()
    with pytest.raises(Stopped) if what == "stop" else contextlib.nullcontext():
        train(Path(project), Path(output), log=log, resume=what == "resume")
    print(*(event["message"] for event in log.events if event["level"] == "warn"), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
