import tomllib
from pathlib import Path

import pytest

from mrcnn import optional
from mrcnn.errors import UserError

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

LARGE = {
    "energy",
    "jax",
    "litert",
    "litert-run",
    "mlflow",
    "onnx",
    "onnx-run",
    "openvino",
    "openvino-run",
    "ray",
    "scale",
    "spark",
    "torch",
    "wandb",
}  # extras that bring tens of megabytes, so that `requirements.txt` does not install them


@pytest.fixture
def absent(monkeypatch):
    """Hides a package."""
    find = optional.importlib.util.find_spec
    monkeypatch.setattr(
        optional.importlib.util, "find_spec", lambda name: None if name == "supervision" else find(name)
    )


def test_require_is_silent_where_all_is_there():
    tested = set(optional.EXTRAS) - LARGE
    assert [optional.require(extra, purpose="it") for extra in tested] == [None] * len(tested)


def test_require_names_what_installs_a_missing_package(absent):
    with pytest.raises(UserError) as error:
        optional.require("draw", purpose="--overlay")
    assert str(error.value) == (
        "--overlay needs the package supervision; install it by python -m pip install 'mrcnn[draw]'"
    )


def test_load_imports_the_module(absent):
    assert optional.load("mrcnn.train.plots", extra="plots", purpose="it").__name__ == "mrcnn.train.plots"
    with pytest.raises(UserError, match="needs the package supervision"):
        optional.load("mrcnn.annotate.draw", extra="draw", purpose="it")


def test_missing_lists_packages(absent):
    assert optional.missing("draw") == ["supervision"]
    assert optional.missing("plots") == []


def test_versions_leaves_out_a_package_that_was_installed_under_another_name(monkeypatch):
    def version(name):
        if name == "onnxruntime":  # it can be imported, but its package is onnxruntime-gpu
            raise optional.metadata.PackageNotFoundError(name)
        return "1.2"

    monkeypatch.setattr(optional.metadata, "version", version)
    assert optional.versions("onnx") == {"tf2onnx": "1.2", "onnx": "1.2"}


def test_versions_finds_packages_whose_names_have_hyphens():
    pytest.importorskip("ai_edge_litert")
    assert set(optional.versions("litert-run")) == {"ai_edge_litert"}


def test_every_extra_can_be_installed_under_its_name():
    declared = PROJECT["optional-dependencies"]
    assert set(optional.EXTRAS) | {"all"} == set(declared)
    assert {name: len(packages) for name, packages in optional.EXTRAS.items()} == {
        name: len(declared[name]) for name in optional.EXTRAS
    }
