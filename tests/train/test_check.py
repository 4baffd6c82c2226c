"""What is checked before a run reads data; whole runs are in `test_run.py`."""

import pytest

from mrcnn.config.load import load_train_config
from mrcnn.errors import UserError
from mrcnn.train import check

from . import tiny


def start(log, output, *, model=None, resume=False, **settings):
    return check.check(
        load_train_config({**tiny.CONFIG, **settings}), model=model, output=output, resume=resume, log=log
    )


def test_a_new_run_from_random_weights(log, tmp_path):
    begin = start(log, tmp_path / "out")
    assert (begin.model, begin.resumed, begin.classes) == (None, None, None)
    assert begin.config == load_train_config(tiny.CONFIG)
    assert log.messages == []


def test_start_weights_that_have_no_effect_are_warned_of(log, tmp_path):
    start(log, tmp_path / "out", model="coco")
    assert log.messages == ["--model coco has no effect with `weights_init_type` random"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights_init_type": "transfer_learning"}, "`weights_init_type` transfer_learning needs start weights"),
        ({"weights_init_type": "continue_training", "model": "none"}, "the start weights are missing"),
        ({"weights_init_type": "imagenet", "imagenet_weights": "no.h5"}, "`imagenet_weights` no.h5 does not exist"),
        ({"augmentation": [{"name": "Fliplr", "args": {"q": 1}}]}, "Fliplr"),
        ({"resume": True}, "nothing to resume"),
    ],
)
def test_what_cannot_start_is_refused(log, tmp_path, settings, message):
    with pytest.raises(UserError, match=message):
        start(log, tmp_path / "out", **settings)
