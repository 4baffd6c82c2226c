import re
from types import SimpleNamespace

import pytest

from mrcnn.config.load import load_train_config
from mrcnn.errors import UserError
from mrcnn.train import back_end
from mrcnn.train.engine import one_device

CASES = [
    ({"optimizer": {"accumulation_steps": 4}}, "`optimizer.accumulation_steps` 4", "set it to 1"),
    ({"jit_compile": True}, "`jit_compile` true", "set it to false"),
    ({"precision": "mixed_float16"}, "`precision` mixed_float16", "use float32 or mixed_bfloat16"),
]


@pytest.fixture
def on_torch(monkeypatch):
    monkeypatch.setattr(back_end, "engine", one_device)
    monkeypatch.setattr(back_end, "native", SimpleNamespace(NAME="PyTorch", COMPILES_STEPS=False))


@pytest.mark.parametrize(("settings", "what", "fix"), CASES)
def test_check_refuses_what_needs_tensorflow(on_torch, settings, what, fix):
    with pytest.raises(UserError, match=re.escape(f"{what} needs TensorFlow, but Keras runs on PyTorch: {fix}")):
        back_end.check(load_train_config(settings))


@pytest.mark.parametrize("settings", [case[0] for case in CASES])
def test_check_passes_everything_on_tensorflow(settings):
    back_end.check(load_train_config(settings))


def test_check_passes_the_compilation_of_jax_and_the_defaults(on_torch, monkeypatch):
    back_end.check(load_train_config({}))
    monkeypatch.setattr(back_end.native, "COMPILES_STEPS", True)
    back_end.check(load_train_config({"jit_compile": True}))
