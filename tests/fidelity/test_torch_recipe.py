import numpy as np
import pytest

from tests.fidelity import torch_recipe


@pytest.mark.parametrize("name", [*torch_recipe.MODELS, torch_recipe.KEYPOINTS])
def test_make_state_has_the_published_digest(name):
    model = torch_recipe.read_model(name)
    assert torch_recipe.digest(torch_recipe.make_state(model)) == model.sha256


SMALL = torch_recipe.Model(
    seed=3,
    sha256="",
    class_gain=1.0,
    background_bias=2.0,
    tensors={"rpn.head.conv.0.0.bias": (4,), "a.bn3.weight": (2,), "a.bn3.running_mean": (2,), "b.bn3.weight": (2, 8)},
)


def test_make_state_draws_a_tensor_from_its_own_name_alone():
    state = torch_recipe.make_state(SMALL)
    alone = torch_recipe.make_state(SMALL._replace(tensors={"rpn.head.conv.0.0.bias": (4,)}))
    np.testing.assert_array_equal(state["rpn.head.conv.0.0.bias"], alone["rpn.head.conv.0.0.bias"])
    other = torch_recipe.make_state(SMALL._replace(seed=4))
    assert (other["rpn.head.conv.0.0.bias"] != state["rpn.head.conv.0.0.bias"]).all()


def test_make_state_recognises_a_batch_norm_by_its_statistics():
    state = torch_recipe.make_state(SMALL)
    assert ((state["a.bn3.weight"] > 0.2) & (state["a.bn3.weight"] < 0.3)).all()
    assert abs(state["b.bn3.weight"].mean()) < 1e-6  # a kernel, without a mean over its inputs


def test_make_state_refuses_a_tensor_without_a_rule():
    with pytest.raises(ValueError, match=r"no rule draws a\.slope"):
        torch_recipe.make_state(SMALL._replace(tensors={**SMALL.tensors, "a.slope": (1,)}))


def test_digest_notices_one_value():
    state = torch_recipe.make_state(SMALL)
    before = torch_recipe.digest(state)
    state["a.bn3.weight"][1] += 1e-6
    assert torch_recipe.digest(state) != before
