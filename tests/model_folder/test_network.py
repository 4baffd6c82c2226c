import inspect

import pytest

from mrcnn.model_folder.network import Network
from mrcnn.models.families.matterport import Matterport
from tests.predict.helpers import Thresholded

NAMES = [name for name in vars(Network) if name == "__call__" or not name.startswith("_")]


def test_the_interface_has_what_loading_and_exports_use():
    assert {"weights", "weight_layout", "use_fixed_slots", "detect_boxes", "describe_boxes", "__call__"} <= set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if callable(vars(Network)[name]) and name != "__call__"])
def test_a_model_has_the_methods_of_the_interface(name):
    wanted, found = (list(inspect.signature(getattr(kind, name)).parameters) for kind in (Network, Matterport))
    assert found[: len(wanted)] == wanted


def test_a_stand_in_has_what_an_export_needs():
    network = Thresholded(0.5)
    network.use_fixed_slots(True)
    assert (network.weights, network.compute_dtype) == ((), "float32")
