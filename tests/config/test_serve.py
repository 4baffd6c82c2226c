import pytest

from mrcnn.config import errors
from mrcnn.config.deploy import DeployConfig
from mrcnn.config.serve import ServeConfig
from mrcnn.errors import UserError


def test_the_default_can_be_reached_from_this_machine_only():
    config = ServeConfig(model="m")
    assert (config.host, config.port, config.api, config.workers) == ("127.0.0.1", 5000, "2020", 1)
    assert config.deploy == DeployConfig()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("port", 65536, "`port` must be less than or equal to 65535, got 65536"),
        ("port", -1, "`port` must be greater than or equal to 0, got -1"),
        ("workers", 0, "`workers` must be greater than or equal to 1, got 0"),
        ("batch_size", 0, "`batch_size` must be greater than or equal to 1, got 0"),
        ("batch_wait_ms", -1.0, "`batch_wait_ms` must be greater than or equal to 0, got -1.0"),
        ("max_pixels", 0, "`max_pixels` must be greater than or equal to 1, got 0"),
        ("max_body_bytes", 0, "`max_body_bytes` must be greater than or equal to 1, got 0"),
        ("score_threshold", 1.5, "`score_threshold` must be less than or equal to 1, got 1.5"),
        ("api", "2018", "`api` must be '2020' or '2019', got \"2018\""),
        ("name", "a/b", '`name` must be letters, digits, dots, dashes and underscores, got "a/b"'),
        ("model", "", "`model` must not be empty"),
    ],
)
def test_a_wrong_value_is_named(key, value, message):
    with pytest.raises(UserError) as caught:
        errors.check(ServeConfig, {"model": "m", key: value})
    assert str(caught.value).startswith(message)
