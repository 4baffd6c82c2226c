"""Checks docs/architecture.md: imports, private names, sizes, docstrings, a test file for each module.

Ruff checks what its rules can: complexity, numbers of parameters, types, imports inside functions (pyproject.toml).
"""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mrcnn"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
SCRIPTS = [ROOT / name for name in ("train.py", "inference.py", "deploy.py")]

MAY_IMPORT = {
    "errors": set(),
    "files": {"errors"},
    "locks": {"errors"},
    "structures": set(),
    "decoder_notes": set(),
    "events": {"errors", "decoder_notes"},
    "startup": set(),
    "optional": {"errors"},
    "config": {"events"},
    "images": set(),
    "project": {"events", "config", "images"},
    "fields": {"structures", "project"},
    "ops": {"structures"},
    "weights": {"events"},
    "data": {"structures", "events", "config", "images", "project", "fields", "ops"},
    "convert": {"events", "images", "project", "fields", "data"},
    "blocks": {"structures", "ops"},
    "backbones": {"structures", "blocks", "ops"},
    "heads": {"structures", "blocks", "ops"},
    "models": {"structures", "config", "fields", "blocks", "backbones", "heads", "ops", "weights"},
    "model_folder": {"structures", "config", "project", "models", "weights"},
    "predict": {"structures", "events", "config", "images", "project", "fields", "ops", "data", "model_folder"},
    "evaluate": {
        "structures", "events", "config", "project", "data", "model_folder", "predict",
    },
    "annotate": {
        "optional", "structures", "events", "config", "images", "project", "fields", "evaluate", "model_folder",
        "predict",
    },
    "train": {
        "optional", "structures", "events", "config", "images", "project", "data", "models", "heads", "weights",
        "evaluate", "model_folder", "predict", "ops",
    },
    "export": {
        "structures", "events", "config", "fields", "ops", "data", "images", "models", "model_folder", "predict",
    },
    "serve": {
        "startup", "decoder_notes", "structures", "events", "config", "images", "project", "fields", "data",
        "model_folder", "predict", "annotate",
    },
    "api": {"events", "config", "data", "model_folder", "predict", "train"},
    "demo": {
        "structures", "events", "config", "images", "project", "convert", "models", "evaluate", "model_folder",
        "predict", "annotate", "train", "export",
    },
    "commands": {"startup", "optional", "structures", "events", "config"},
    "__main__": set(),
}  # fmt: skip
ANYWHERE = {"errors", "files", "locks"}
KERAS_INTERNALS = PACKAGE / "models" / "keras_internals.py"  # says why each private name of Keras is needed
PUBLIC_WITH_UNDERSCORE = {"_asdict", "_replace", "_fields", "_fields_", "_exit"}  # named tuples, ctypes, `os`
TENSORFLOW_FREE = {
    "errors", "decoder_notes", "files", "locks", "optional", "structures", "events", "startup", "commands", "__main__",
    "config", "images", "project", "fields", "blocks", "backbones", "heads", "models", "weights", "evaluate", "serve",
}  # fmt: skip


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> list[tuple[str, int]]:
    """Lists (dotted name, nesting depth) of every import; `from a import b` counts as `a.b`."""
    found = []

    def visit(node: ast.AST, depth: int) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend((alias.name, depth) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                found.extend((f"{child.module}.{alias.name}", depth) for alias in child.names)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            visit(child, depth + inside)

    visit(ast.parse(path.read_text()), 0)
    return found


def _module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", MODULES, ids=_module_name)
def test_imports_point_backwards(path):
    room = _room(path)
    used = {name.split(".")[1] for name, _ in _imports(path) if name.startswith("mrcnn.")}
    upward = used - {room} - MAY_IMPORT[room] - (set() if room in ANYWHERE else ANYWHERE)
    assert not upward, f"{room} may not import {', '.join(sorted(upward))}; see the table of docs/architecture.md"


@pytest.mark.parametrize("path", MODULES, ids=_module_name)
def test_tensorflow_stays_in_its_rooms(path):
    imported = {name.split(".")[0] for name, _ in _imports(path)}
    allowed = _room(path) not in TENSORFLOW_FREE | {"ops"} or path.name in {"nms.py", "accelerator.py"}
    assert allowed or "tensorflow" not in imported


@pytest.mark.parametrize("path", MODULES, ids=_module_name)
def test_no_lazy_import(path):
    lazy = [name for name, depth in _imports(path) if depth]
    assert not lazy, f"imports inside a function: {', '.join(lazy)}; move them to the top, or use mrcnn/optional.py"


def _private_names(tree: ast.Module) -> dict[str, int]:
    """Finds private attributes that a module uses but does not define, with their lines."""
    own, used = set(PUBLIC_WITH_UNDERSCORE), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, ast.Attribute) and re.match("_(?!_)", node.attr):
            is_self = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if is_self and isinstance(node.ctx, ast.Store):
                own.add(node.attr)
            else:
                used[node.attr] = node.lineno
    return {name: line for name, line in used.items() if name not in own}


@pytest.mark.parametrize("path", [path for path in MODULES if path != KERAS_INTERNALS], ids=_module_name)
def test_private_names_of_keras_and_others_are_not_used(path):
    private = [f"{name} in line {line}" for name, line in _private_names(ast.parse(path.read_text())).items()]
    private += [name for name, _ in _imports(path) if name.startswith("keras.src")]
    assert not private, f"names private to another module: {', '.join(private)}; Keras's belong in {KERAS_INTERNALS}"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("model._flatten_layers()", ["_flatten_layers"]),
        ("model._maybe_symbolic_build = nothing", ["_maybe_symbolic_build"]),
        ("class Mine:\n    def use(self):\n        return self._losses", ["_losses"]),
        (
            "class Mine:\n    def __init__(self):\n        self._own = 1\n    def use(self):\n        return self._own",
            [],
        ),
        ("batch._asdict()", []),
        ("layer.__class__", []),
    ],
)
def test_private_names_are_found(code, found):
    assert list(_private_names(ast.parse(code))) == found


def test_no_cycle_among_modules():
    names = {_module_name(path): path for path in MODULES}
    edges = {
        name: {
            target
            for imported, _ in _imports(path)
            for target in (imported, imported.rpartition(".")[0])
            if target in names and target != name
        }
        for name, path in names.items()
    }
    while True:
        leaves = {name for name, targets in edges.items() if not targets & edges.keys()}
        if not leaves:
            break
        edges = {name: targets for name, targets in edges.items() if name not in leaves}
    assert not edges, f"modules that import each other: {edges}"


@pytest.mark.parametrize("path", MODULES + SCRIPTS, ids=lambda path: path.name)
def test_sizes(path):
    source = path.read_text()
    assert len(source.splitlines()) <= (60 if path in SCRIPTS else 400)
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef):
            continue
        body = [child for child in node.body if not isinstance(child, ast.Expr) or child is not node.body[0]]
        lines = {line for child in body for line in range(child.lineno, child.end_lineno + 1)}
        code = [line for line in lines if source.splitlines()[line - 1].strip()[:1] not in ("", "#")]
        assert len(code) <= 50, f"{node.name}: {len(code)} code lines"


def test_rules_of_ruff_that_replace_tests_are_on():
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    typed = {"ANN001", "ANN002", "ANN003", "ANN201", "ANN202", "ANN204", "ANN205", "ANN206"}
    assert typed | {"C901", "PLR0913", "PLR0917", "PLC0415"} <= set(lint["select"])
    assert lint["mccabe"]["max-complexity"] == 10
    assert lint["pylint"] == {"max-args": 10, "max-positional-args": 3}
    assert (lint["preview"], lint["explicit-preview-rules"]) == (True, True)  # else ruff skips PLR0917 silently
    assert not [files for files in lint["per-file-ignores"] if files.startswith("mrcnn")]
    assert lint["per-file-ignores"]["!mrcnn/{ops,blocks,backbones,heads,models}/**"] == ["ANN"]


@pytest.mark.parametrize("path", MODULES, ids=_module_name)
def test_public_things_have_docstrings(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


@pytest.mark.parametrize("path", MODULES, ids=_module_name)
def test_every_module_has_a_test_file(path):
    relative = path.relative_to(PACKAGE)
    assert (ROOT / "tests" / relative.parent / f"test_{relative.name}").exists()


@pytest.mark.parametrize("package", ["config", "images", "project"])
def test_importable_without_tensorflow(package):
    modules = [_module_name(path) for path in MODULES if _room(path) == package]
    code = (
        f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\nprint('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"
