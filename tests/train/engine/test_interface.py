"""Each engine has all of the interface."""

import inspect

import pytest

from mrcnn.train.engine import interface, one_device, tensorflow

FUNCTIONS = [name for name, value in vars(interface.Engine).items() if inspect.isfunction(value) and name[0] != "_"]


def parameters(function):
    found = inspect.signature(function).parameters.values()
    return [(each.name, each.kind) for each in found if each.name != "self"]


@pytest.mark.parametrize("engine", [tensorflow, one_device])
def test_engine_has_the_interface(engine):
    assert len(FUNCTIONS) == 11
    for name in FUNCTIONS:
        assert parameters(getattr(engine, name)) == parameters(getattr(interface.Engine, name)), name
    for name in interface.Engine.__annotations__:
        assert hasattr(engine, name)


@pytest.mark.parametrize("engine", [tensorflow, one_device])
@pytest.mark.parametrize(("made", "wanted"), [("shadows", interface.Shadows), ("input_wait", interface.InputWait)])
def test_what_an_engine_makes_has_its_interface(engine, made, wanted):
    for name, value in vars(wanted).items():
        if inspect.isfunction(value) and name[0] != "_":
            assert parameters(getattr(getattr(engine, made), name)) == parameters(value), name
