import numpy as np
import pytest

from mrcnn.weights import apply, hdf5, names
from tests.fidelity import recipe

SMALL = recipe.Constants(seed=3, sha256="", gains={}, background_bias=2.0)


def test_weights_have_the_published_digest(weights):
    assert recipe.digest(weights) == recipe.read_constants().sha256


def test_a_tensor_depends_on_its_own_path_alone():
    shapes = {"conv1/conv1/kernel:0": (7, 7, 3, 4), "conv1/conv1/bias:0": (4,)}
    both = recipe.make_weights(shapes, SMALL)
    alone = recipe.make_weights({"conv1/conv1/bias:0": (4,)}, SMALL)
    np.testing.assert_array_equal(both["conv1/conv1/bias:0"], alone["conv1/conv1/bias:0"])
    other = recipe.make_weights({"conv1/conv1/bias:0": (4,)}, SMALL._replace(seed=4))
    assert (other["conv1/conv1/bias:0"] != alone["conv1/conv1/bias:0"]).all()


def test_a_tensor_without_a_rule_is_refused():
    with pytest.raises(ValueError, match="no rule draws conv1/conv1/slope:0"):
        recipe.make_weights({"conv1/conv1/slope:0": (4,)}, SMALL)


def test_digest_notices_one_value():
    weights = recipe.make_weights({"conv1/conv1/bias:0": (4,)}, SMALL)
    before = recipe.digest(weights)
    weights["conv1/conv1/bias:0"][2] += 1e-6
    assert recipe.digest(weights) != before


def test_the_old_layout_is_read_whole(weights_file, weights):
    with hdf5.read_file(weights_file) as file:
        assert file.keras_version == "2.0.8"
        assert file.layer_names == tuple(dict.fromkeys(path.split("/")[0] for path in weights))
        assert list(file.layers["rpn_model"]) == [
            f"{layer}/{kind}:0" for layer in names.RPN_LAYERS for kind in ("kernel", "bias")
        ]


def test_every_weight_reaches_the_model(session, weights_file, weights):
    model = session.model
    report = apply.load_into(model.weight_layout(), weights_file)
    assert report.missing == report.left_over == report.notes == ()
    assert report.parameters == sum(values.size for values in weights.values()) == 44_679_088
    for layer, variables in model.weight_layout():
        for name, variable in variables:
            np.testing.assert_array_equal(variable.numpy(), weights[f"{layer}/{name}"])
