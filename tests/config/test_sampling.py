import pytest

from mrcnn.config.load import load_train_config
from mrcnn.errors import UserError


def test_sampling_is_off_and_an_empty_object_has_the_published_threshold():
    assert load_train_config({}).sampling is None
    assert load_train_config({"sampling": {}}).sampling.repeat_threshold == 0.001
    assert load_train_config({"sampling": {"repeat_threshold": 1}}).sampling.repeat_threshold == 1.0


@pytest.mark.parametrize(
    ("value", "problem"), [(0, "greater than 0, got 0"), (1.5, "less than or equal to 1, got 1.5")]
)
def test_repeat_threshold_is_a_share(value, problem):
    with pytest.raises(UserError, match=rf"^`sampling.repeat_threshold` must be {problem}$"):
        load_train_config({"sampling": {"repeat_threshold": value}})
