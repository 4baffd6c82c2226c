import math

import pytest

from mrcnn.errors import UserError
from mrcnn.train import invalid_loss
from mrcnn.train.clock import Clock
from mrcnn.train.invalid_loss import InvalidLoss, InvalidLossStop

NAN, INF = math.nan, math.inf


def test_finite_losses_pass_and_no_name_is_asked_for():
    invalid_loss.check({"loss": 1e30, "l2_loss": 0.0}, split="train", where="here", names=pytest.fail)
    invalid_loss.check({}, split="train", where="here", names=pytest.fail)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_invalid_loss_loss_that_is_no_number_names_loss_place_and_images(value):
    with pytest.raises(InvalidLoss) as error:
        invalid_loss.check({"loss": value, "l2_loss": 1.0}, split="val", where="step 3", names=lambda: ["a.png", "b"])
    message = str(error.value)
    assert isinstance(error.value, UserError)
    assert message.startswith(
        f"Invalid loss was encountered for val: loss {value} at step 3, images: a.png, b. "
        "Train process will be terminated."
    )
    assert "l2_loss" not in message


def test_invalid_loss_long_batch_is_cut():
    message = str(InvalidLoss("train", {"loss": NAN}, where="x", names=[str(index) for index in range(10)]))
    assert "images: 0, 1, 2, 3, 4, 5, 6, 7 and 2 more." in message


def test_invalid_loss_stop_callback_asks_for_the_batch_that_was_just_made(make_state):
    clock = Clock(make_state())
    asked = []

    def names_at(epoch, step):
        asked.append((epoch, step))
        return ["ds/7.png"]

    stop = InvalidLossStop(clock, names_at=names_at)
    clock.epoch, clock.step, clock.batch = 1, 2, {"loss": 1.0}
    stop.on_train_batch_end(1)
    clock.batch = {"loss": 1.0, "mrcnn_mask_loss": NAN}
    with pytest.raises(InvalidLoss, match=r"mrcnn_mask_loss nan at epoch 2 step 2 of 3, images: ds/7.png"):
        stop.on_train_batch_end(1)
    assert asked == [(1, 1)]
