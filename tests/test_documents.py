"""What the documents promise is there: links lead somewhere, commands, tests and make targets exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("presets/*.md")])
MODULE = re.compile(r"python -m ((?:mrcnn|benchmarks|tests)(?:\.\w+)+)")
FILE = re.compile(r"(?:^|[\s`=])((?:presets|docs|benchmarks|tests)/[\w./-]+\.\w+)")

ARCHITECTURE = ROOT / "docs" / "architecture.md"
PATH = re.compile(r"`(\w+(?:/\w+)+/?(?:\.py)?)`")  # in backticks: a module, a package or a file
TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
CHECKLIST = ROOT / "docs" / "compatibility.md"


def _ids(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=_ids)
def test_links_lead_somewhere(path):
    prose = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose)
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []


def _anchors(path):
    """Lists the anchors of a page as GitHub makes them of its headings."""
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    titles = [re.sub(r"\]\([^)]*\)", "", title) for title in re.findall(r"^#+ (.*)$", prose, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=_ids)
def test_links_to_a_heading_find_it(path):
    prose = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)#]*)#([^)]*)\)", prose) if "://" not in link[0]]
    pages = [(path.parent / name if name else path, anchor) for name, anchor in links]
    assert [f"{page.name}#{anchor}" for page, anchor in pages if anchor not in _anchors(page)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=_ids)
def test_named_modules_and_files_exist(path):
    text = path.read_text()
    modules = [name.replace(".", "/") for name in MODULE.findall(text)]
    missing = [name for name in modules if not ((ROOT / f"{name}.py").is_file() or (ROOT / name).is_dir())]
    missing += [name for name in FILE.findall(text) if not (ROOT / name).is_file()]
    assert missing == []


def test_every_path_that_the_architecture_names_exists():
    bases = (ROOT / "mrcnn", ROOT)
    named = PATH.findall(ARCHITECTURE.read_text())
    assert len(named) > 60  # the pattern still finds them
    assert [name for name in named if not any(_is_code(base / name) for base in bases)] == []


def _is_code(path):
    return path.exists() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize("path", DOCUMENTS, ids=_ids)
def test_no_placeholder_was_left(path):
    assert not re.search(r"@@|TODO|FIXME|XXX", path.read_text())


def test_named_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in DOCUMENTS:
        assert set(re.findall(r"`make ([a-z-]+)`", path.read_text())) <= targets, path


def _tests_of(path):
    tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=_ids)
def test_named_tests_exist(path):
    named = set(TEST.findall(path.read_text()))
    tests = {file: _tests_of(ROOT / file) for file, _ in named}
    assert [f"{file}::{name}" for file, name in sorted(named) if name not in tests[file]] == []


def _rows(heading):
    section = CHECKLIST.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("| ")]
    return [line for line in table if not line.startswith(("| ---", "| item", "| # "))]


@pytest.mark.parametrize("heading", ["Checklist", "Defects of the original"])
def test_every_row_of_the_checklist_names_a_test(heading):
    assert [row for row in _rows(heading) if not TEST.search(row)] == []


def test_the_defects_are_all_there():
    assert [int(row.split("|")[1]) for row in _rows("Defects of the original")] == list(range(1, 25))
