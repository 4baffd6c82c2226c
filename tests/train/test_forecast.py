import pytest

from mrcnn.train.forecast import Forecast, duration


def test_forecast_seconds_left_is_unknown_until_steps_are_timed():
    forecast = Forecast(steps_per_epoch=10, epochs=3, val_images=0, batch_size=4)
    for _ in range(4):
        forecast.add_step(1.0)
        assert forecast.seconds_left(0, 4) is None
    forecast.add_step(1.0)
    assert forecast.seconds_left(0, 6) == 3 * 10 - 6


def test_forecast_seconds_left_goes_by_the_median_step_and_guesses_validation_until_it_is_measured():
    forecast = Forecast(steps_per_epoch=10, epochs=3, val_images=8, batch_size=4)
    for seconds in (2.0, 2.0, 90.0, 2.0, 2.0):
        forecast.add_step(seconds)
    # 24 steps of 2 s, and three validations of 8 images, each half of the 0.5 s of a training image
    assert forecast.seconds_left(0, 6) == 24 * 2 + 3 * 8 * 0.25
    forecast.add_epoch_end(0, 7.0)
    assert forecast.seconds_left(1, 0) == 20 * 2 + 2 * 7


def test_forecast_seconds_left_counts_only_the_epochs_that_are_validated():
    forecast = Forecast(steps_per_epoch=1, epochs=5, val_images=8, batch_size=4, validate_every=2)
    for _ in range(5):
        forecast.add_step(1.0)
    forecast.add_epoch_end(0, 0.1)  # no validation
    forecast.add_epoch_end(1, 10.0)
    assert forecast.seconds_left(2, 0) == 3 + 2 * 10  # after the fourth and the last


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.4, "12 s"), (90, "2 min"), (3600, "1 h"), (9600, "2 h 40 min"), (3599, "1 h"), (111_600, "31 h")],
)
def test_duration_is_said_as_a_person_does(seconds, text):
    assert duration(seconds) == text
