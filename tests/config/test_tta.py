import pytest

from mrcnn.config import load
from mrcnn.config.tta import TtaConfig
from mrcnn.errors import UserError


def test_tta_config_defaults():
    assert TtaConfig().model_dump() == {"min_dims": None, "max_dim": 4000, "flip": True}
    assert load.load_inference_config({"model": {}}).model.tta is None
    assert load.load_inference_config({"model": {"tta": {}}}).model.tta == TtaConfig()
    assert load.load_inference_config("inference_tta").model.tta == TtaConfig()


def test_tta_config_of_a_service_is_flat():
    found = load.load_deploy_config({"tta": {"min_dims": [400, 800], "flip": False}})
    assert found.tta == TtaConfig(min_dims=(400, 800), flip=False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_dims": []}, "`model.tta.min_dims` must have at least 1 item, got []"),
        ({"min_dims": [0]}, "`model.tta.min_dims[0]` must be greater than or equal to 1, got 0"),
        ({"min_dims": 800}, "`model.tta.min_dims` must be a list"),
        ({"max_dim": 0}, "`model.tta.max_dim` must be greater than or equal to 1, got 0"),
        ({"flip": 1}, "`model.tta.flip` must be true or false, got 1"),
        ({"sizes": [1]}, "unknown key `model.tta.sizes`"),
        (True, "`model.tta` must be an object, got true"),
    ],
)
def test_tta_config_refuses_what_is_no_view(values, message):
    with pytest.raises(UserError) as caught:
        load.load_inference_config({"model": {"tta": values}})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("tta", "flip", "count"), [({}, True, 1), ({"flip": False}, True, 0), ({}, False, 0), (None, True, 0)]
)
def test_load_inference_config_warns_of_mirroring_twice(tta, flip, count):
    warnings = []
    load.load_inference_config({"model": {"tta": tta}, "mode": {"flip": flip}}, warn=warnings.append)
    line = "`mode.flip` mirrors what `model.tta` mirrors already, for twice the time; leave one of them out"
    assert warnings == [line] * count
