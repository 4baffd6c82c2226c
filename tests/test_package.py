"""The package as pip installs it: its parts, and the whole way from training to an export without the repository."""

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import mrcnn
from tests.train import tiny

ROOT = Path(__file__).parents[1]
BACK_ENDS = ("requirements-jax.txt", "requirements-torch.txt")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_listed():
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "mrcnn").rglob("__init__.py")}
    assert found | {"mrcnn.presets", "mrcnn.schemas"} == set(SETTINGS["tool"]["setuptools"]["packages"])


def test_pinned_versions_fit_the_package():
    packaging = pytest.importorskip("packaging.requirements")
    pins = dict(
        line.split("==")
        for name in ("requirements.txt", "requirements-extras.txt", *BACK_ENDS)
        for line in (ROOT / name).read_text().splitlines()
        if "==" in line and line[0] != "#"
    )
    extras = SETTINGS["project"]["optional-dependencies"]
    wanted = [
        *SETTINGS["project"]["dependencies"],
        *(line for name in extras if name != "all" for line in extras[name]),
    ]
    for line in wanted:
        requirement = packaging.Requirement(line)
        assert requirement.specifier.contains(pins[requirement.name]), line
    with_jax = {"jaxlib", "pytest"}  # pinned only for the environment of JAX
    assert {packaging.Requirement(line).name for line in wanted} == set(pins) - with_jax


def test_developing_installs_the_tested_versions_of_the_extras_that_tests_need():
    lines = {
        name: (ROOT / name).read_text().splitlines() for name in ("requirements-dev.txt", "requirements-extras.txt")
    }
    both = set(lines["requirements-dev.txt"]) & set(lines["requirements-extras.txt"])
    names = {
        "tf2onnx",
        "onnx",
        "onnxruntime",
        "openvino",
        "nncf",
        "ai-edge-litert",
        "ai-edge-quantizer",
        "pyarrow",
        "fsspec",
    }
    assert {line.split("==")[0] for line in both} == names


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Builds a wheel of a copy of the sources and unpacks it, as pip does with a wheel of pure Python."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "sources"
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True).split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "--no-index"]
    subprocess.run([*command, "-w", folder, copy], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def call(installed, folder, *arguments):
    """Runs the command `mrcnn` of the installed package in a folder without the repository."""
    code = "import sys; from mrcnn.__main__ import main; sys.exit(main())"
    variables = {**os.environ, "PYTHONPATH": str(installed)}
    variables.pop("SLY_TASK_DIR", None)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_wheel_holds_presets_schemas_and_pages(installed, tmp_path):
    pages = [f"serve/pages/{name}" for name in ("try.html", "try.css", "main.js", "docs.html")]
    for name in ("presets/train_small_dataset.json", "schemas/train.json", *pages):
        assert (installed / "mrcnn" / name).is_file(), name
    project = tiny.write_project(tmp_path / "shapes")
    done = call(installed, tmp_path, "check", project, "--config", "train_cpu_evening", "--report", "labels.html")
    assert "images" in done.stdout, done.stderr
    assert "</script>" in (tmp_path / "labels.html").read_text()  # with its style and its script
    assert list(installed.glob(f"mrcnn-{mrcnn.__version__}.dist-info")) != []


@pytest.mark.slow
def test_wheel_trains_infers_and_exports(installed, tmp_path):
    project = tiny.write_project(tmp_path / "shapes")
    config = {**tiny.CONFIG, "epochs": 1, "model": {**tiny.CONFIG["model"], "score_threshold": 0.0}}
    (tmp_path / "c.json").write_text(json.dumps(config))
    for arguments in (
        ("train", "--config", "c.json", "--project", project, "--output", "run"),
        ("infer", "--model", "run", "--project", project, "--output", "found"),
        ("evaluate", "--model", "run", "--project", project, "--tag", "val"),
        ("export", "--model", "run", "--out", "exported", "--images", project / "ds" / "img"),
    ):
        done = call(installed, tmp_path, *arguments)
        assert done.returncode == 0, (arguments, done.stderr[-3000:])
    assert len(list((tmp_path / "found").rglob("ann/*.json"))) == 7
    assert json.loads(next((tmp_path / "exported").rglob("verify.json")).read_text())["passed"]
