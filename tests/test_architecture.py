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
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = [path for path in FILES if path.name != "__init__.py"]
SCRIPTS = [ROOT / name for name in ("train.py", "inference.py", "deploy.py")]

ANYWHERE = {"errors", "files", "locks"}  # every package may import these, so the table does not list them
ALLOWED_NOQA = {
    "mrcnn/events.py": ["B027"],  # a base class's method that does nothing unless a subclass needs it
    "mrcnn/models/mask_rcnn.py": ["PLR0917"],  # `compute_loss` has Keras's signature
}
# the only files with private names of Keras and TensorFlow; each explains why it needs them
KERAS_INTERNALS, TENSORFLOW_INTERNALS = (
    PACKAGE / "models" / "keras_internals.py",
    PACKAGE / "ops" / "tensorflow_internals.py",
)
# files that may import a back end, of packages that otherwise use Keras alone
BACK_ENDS = {
    "ops/backend/tensorflow.py": {"tensorflow"},
    "ops/tensorflow_internals.py": {"tensorflow"},
    "data/tf_stream.py": {"tensorflow"},
    "train/engine/tensorflow.py": {"tensorflow"},
    "ops/backend/jax.py": {"jax"},
    "ops/backend/torch.py": {"torch", "torchvision"},
    "predict/runtimes/saved_model.py": {"tensorflow"},
}
PRIVATE_TENSORFLOW = ("tensorflow.python", "tensorflow.core")  # packages that TensorFlow does not document
# of named tuples, ctypes, `os`, and argparse, where nothing else lists the arguments of a parser
PUBLIC_WITH_UNDERSCORE = {"_asdict", "_replace", "_fields", "_fields_", "_exit", "_actions"}
TENSORFLOW_FREE = {
    "__init__", "errors", "decoder_notes", "files", "locks", "optional", "structures", "events", "startup", "commands",
    "__main__", "config", "images", "project", "fields", "ops", "blocks", "backbones", "heads", "models", "weights",
    "model_folder", "predict", "evaluate", "serve", "data", "annotate", "scale", "card", "train", "report", "api",
    "demo",
}  # fmt: skip


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _table() -> dict[str, set[str]]:
    """Reads what each package imports from the table in docs/architecture.md, in the order of its rows."""
    section = (ROOT / "docs" / "architecture.md").read_text().split("\n## Packages\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", section, re.MULTILINE)
    names = {room: re.sub(r" \(.*?\)", "", cell).split(", ") for room, cell in rows}
    return {room: set() if listed == ["–"] else set(listed) for room, listed in names.items()}


TABLE = _table()


def _imports(path: Path) -> list[tuple[str, int]]:
    """Lists (dotted name, nesting depth) of every import; `from a import b` counts as `a.b`."""
    found = []

    def visit(node: ast.AST, depth: int) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend((alias.name, depth) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                module = "." * child.level + (child.module or "")
                found.extend((f"{module}.{alias.name}", depth) for alias in child.names)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            visit(child, depth + inside)

    visit(ast.parse(path.read_text()), 0)
    return found


def _module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _used(room: str) -> set[str]:
    """Finds the other packages that a package imports, those of `ANYWHERE` only for each other."""
    names = [name for path in FILES if _room(path) == room for name, _ in _imports(path)]
    used = {name.split(".")[1] for name in names if name.startswith("mrcnn.")} - {room}
    return used if room in ANYWHERE else used - ANYWHERE


def test_every_package_is_in_the_table_of_the_document():
    assert {_room(path) for path in MODULES} == TABLE.keys()
    assert _used("__init__") == set()  # mrcnn/__init__.py finds its names when they are used


@pytest.mark.parametrize("room", TABLE)
def test_imports_are_those_of_the_table_of_the_document(room):
    assert _used(room) == TABLE[room], f"correct the row of {room} in docs/architecture.md, or the imports"


@pytest.mark.parametrize("room", TABLE)
def test_imports_point_backwards(room):
    rooms = list(TABLE)
    upward = TABLE[room] - set(rooms[: rooms.index(room)])
    assert not upward, f"{room} may import packages above it in docs/architecture.md only, not {sorted(upward)}"


def test_models_import_the_names_of_weights_alone():
    names = [name for path in MODULES if _room(path) == "models" for name, _ in _imports(path)]
    assert {name for name in names if name.startswith("mrcnn.weights")} == {"mrcnn.weights.names"}


@pytest.mark.parametrize("path", FILES, ids=_module_name)
def test_no_relative_import(path):
    assert [name for name, _ in _imports(path) if name.startswith(".")] == []


def test_imports_are_found(tmp_path):
    code = "from . import a\nfrom ..b import c\nimport d.e\nasync def f():\n    from g import h\n"
    (tmp_path / "code.py").write_text(code)
    assert _imports(tmp_path / "code.py") == [("..a", 0), ("..b.c", 0), ("d.e", 0), ("g.h", 1)]


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=_module_name)
def test_package_file_has_a_docstring_alone(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1 or path.parent == PACKAGE


def test_noqa_is_only_where_it_is_allowed():
    found = {}
    for path in [*FILES, *SCRIPTS]:
        codes = re.findall(r"#\s*(?:ruff:\s*)?noqa(?::\s*([A-Z0-9, ]*[0-9]))?", path.read_text(), re.IGNORECASE)
        if codes:
            found[path.relative_to(ROOT).as_posix()] = codes
    assert found == ALLOWED_NOQA


def test_no_test_changes_the_clock_of_the_process():
    """The threads of a service that another test keeps would wait until the old time: a module gets its own `time`."""
    functions = "monotonic|perf_counter|sleep|time"
    changes = re.compile(rf"""setattr\(\s*["']?(?:\w+\.)*time(?:\.|["']?,)\s*["']?(?:{functions})\b""")
    assert changes.search('setattr(worker.time, "monotonic", clock)')
    assert changes.search("setattr('time.monotonic', clock)")
    assert not changes.search('setattr(worker, "time", SimpleNamespace(monotonic=clock))')
    texts = {path: path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__).resolve()}
    assert [path.relative_to(ROOT).as_posix() for path, text in texts.items() if changes.search(text)] == []


@pytest.mark.parametrize("path", FILES, ids=_module_name)
def test_tensorflow_stays_in_its_rooms(path):
    imported = {name.split(".")[0] for name, _ in _imports(path)} & {"tensorflow", "jax", "torch", "torchvision"}
    allowed = BACK_ENDS.get(path.relative_to(PACKAGE).as_posix(), set())
    assert imported <= allowed | (set() if _room(path) in TENSORFLOW_FREE else {"tensorflow"})


@pytest.mark.parametrize("path", FILES, ids=_module_name)
def test_private_modules_of_tensorflow_are_in_one_file(path):
    private = [name for name, _ in _imports(path) if name.startswith(PRIVATE_TENSORFLOW)]
    assert not private or path.name == "tensorflow_internals.py"


@pytest.mark.parametrize("path", FILES, ids=_module_name)
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


INTERNALS = {KERAS_INTERNALS, TENSORFLOW_INTERNALS}


@pytest.mark.parametrize("path", [path for path in FILES if path not in INTERNALS], ids=_module_name)
def test_private_names_of_keras_and_others_are_not_used(path):
    private = [f"{name} in line {line}" for name, line in _private_names(ast.parse(path.read_text())).items()]
    private += [name for name, _ in _imports(path) if name.startswith("keras.src")]
    belong = " or ".join(sorted(str(each) for each in INTERNALS))
    assert not private, f"names private to another module: {', '.join(private)}; they belong in {belong}"


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


FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def _sizes(source: str) -> dict[str, int]:
    """Counts the code lines of each function, without its docstring, blank lines and comments."""
    sizes = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, FUNCTION):
            body = [child for child in node.body if not isinstance(child, ast.Expr) or child is not node.body[0]]
            lines = {line for child in body for line in range(child.lineno, child.end_lineno + 1)}
            code = [line for line in lines if source.splitlines()[line - 1].strip()[:1] not in ("", "#")]
            sizes[node.name] = max(len(code), sizes.get(node.name, 0))
    return sizes


@pytest.mark.parametrize("path", FILES + SCRIPTS, ids=lambda path: path.name)
def test_sizes(path):
    source = path.read_text()
    assert len(source.splitlines()) <= (60 if path in SCRIPTS else 400)
    assert {name: size for name, size in _sizes(source).items() if size > 50} == {}


def test_sizes_of_functions_are_found():
    code = 'def f():\n    """About."""\n    # why\n    return 1\n\n\nasync def g():\n    a = 1\n\n    return a\n'
    assert _sizes(code) == {"f": 1, "g": 2}


def test_rules_of_ruff_that_replace_tests_are_on():
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    typed = {"ANN001", "ANN002", "ANN003", "ANN201", "ANN202", "ANN204", "ANN205", "ANN206"}
    assert typed | {"C901", "PLR0913", "PLR0917", "PLC0415"} <= set(lint["select"])
    assert lint["mccabe"]["max-complexity"] == 10
    assert lint["pylint"] == {"max-args": 10, "max-positional-args": 3}
    assert (lint["preview"], lint["explicit-preview-rules"]) == (True, True)  # else ruff skips PLR0917 silently
    assert not [files for files in lint["per-file-ignores"] if files.startswith("mrcnn")]
    assert lint["per-file-ignores"]["!mrcnn/{ops,blocks,backbones,heads,models}/**"] == ["ANN"]


@pytest.mark.parametrize("path", FILES, ids=_module_name)
def test_public_things_have_docstrings(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, FUNCTION | ast.ClassDef) and not node.name.startswith("_"):
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
