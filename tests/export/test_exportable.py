"""A model as named functions of tensors."""

import contextlib
from types import SimpleNamespace

import numpy as np

from mrcnn.ops import accelerator

from . import helpers


def test_detect_names_the_outputs_of_the_network():
    images = np.full((1, 64, 64, 3), 51, np.float32)  # 51 / 255 = 0.2
    fields = helpers.make_exportable().detect(images, np.float32([[0, 0, 64, 64]]))
    assert list(fields) == ["boxes", "class_ids", "scores", "valid", "masks"]
    np.testing.assert_allclose(fields["scores"], [[0.1, 0.2, 0]], rtol=1e-5)


def test_variables_are_the_network_s_weights():
    assert helpers.make_exportable().variables == []
    network = SimpleNamespace(weights=[SimpleNamespace(value="kernel"), SimpleNamespace(value="bias")])
    assert helpers.make_exportable(network).variables == ["kernel", "bias"]


def test_fixed_shapes_hold_within_the_block_alone(monkeypatch):
    model, heard = helpers.make_exportable(), []
    monkeypatch.setattr(model.network, "use_fixed_slots", heard.append, raising=False)
    with contextlib.suppress(ZeroDivisionError), model.fixed_shapes():
        assert heard == [True]
        raise ZeroDivisionError
    assert heard == [True, accelerator.is_visible()]
