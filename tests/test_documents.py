"""What the documents promise is there: links lead somewhere, commands and make targets exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("presets/*.md")])
MODULE = re.compile(r"python -m ((?:mrcnn|benchmarks|tests)(?:\.\w+)+)")
FILE = re.compile(r"(?:^|[\s`=])((?:presets|docs|benchmarks|tests)/[\w./-]+\.\w+)")


def _ids(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=_ids)
def test_links_lead_somewhere(path):
    prose = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose)
    missing = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=_ids)
def test_named_modules_and_files_exist(path):
    text = path.read_text()
    modules = [name.replace(".", "/") for name in MODULE.findall(text)]
    missing = [name for name in modules if not ((ROOT / f"{name}.py").is_file() or (ROOT / name).is_dir())]
    missing += [name for name in FILE.findall(text) if not (ROOT / name).is_file()]
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=_ids)
def test_no_placeholder_was_left(path):
    assert not re.search(r"@@|TODO|FIXME|XXX", path.read_text())


def test_named_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in DOCUMENTS:
        assert set(re.findall(r"`make ([a-z-]+)`", path.read_text())) <= targets, path
