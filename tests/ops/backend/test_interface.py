"""Each back end's file has all of the interface, without importing the back ends that are not installed."""

import ast
import inspect
from pathlib import Path

import pytest

from mrcnn.ops.backend import interface

FOLDER = Path(interface.__file__).parent
FILES = {"tensorflow", "jax", "torch"}
WANTED = {name for name in dir(interface.Backend) if not name.startswith("_")} | set(interface.Backend.__annotations__)


def defined(path):
    """Lists the public names and the parameters of the public functions that a file defines."""
    names, parameters = set(), {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
            if not node.name.startswith("_"):
                parameters[node.name] = [each.arg for each in (*node.args.args, *node.args.kwonlyargs)]
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets}
    return {name for name in names if not name.startswith("_")}, parameters


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_file_defines_the_interface_and_nothing_else(name):
    names, parameters = defined(FOLDER / f"{name}.py")
    assert names == WANTED
    for function, found in parameters.items():
        wanted = list(inspect.signature(getattr(interface.Backend, function)).parameters)[1:]
        assert found == wanted, function


def test_there_is_no_other_back_end():
    own = {"__init__", "interface", "current", "blocked"}
    assert {path.stem for path in FOLDER.glob("*.py")} - own == FILES
