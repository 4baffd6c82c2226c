import io
import json

import numpy as np
import pytest

from mrcnn.events import JsonLog
from mrcnn.train.state import TrainingState


class HeardLog(JsonLog):
    """A log that keeps what it writes."""

    def __init__(self):
        self.text = io.StringIO()
        super().__init__(self.text)

    @property
    def events(self):
        return [json.loads(line) for line in self.text.getvalue().splitlines()]

    @property
    def messages(self):
        return [event["message"] for event in self.events]

    def of(self, message):
        return [event for event in self.events if event["message"] == message]


@pytest.fixture
def log():
    return HeardLog()


@pytest.fixture
def make_state():
    def make(epoch=0, step=0, **fields):
        defaults = {"steps_per_epoch": 3, "train_images": 12, "seed": 0}
        return TrainingState(epoch=epoch, step=step, **{**defaults, **fields})

    return make


@pytest.fixture
def arrays():
    return (np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, np.int64))
