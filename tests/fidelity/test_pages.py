"""docs/differences.md has every convention with the code's values, and the tests it and docs/fidelity.md name exist."""

import json
import re
from pathlib import Path

import pytest

from mrcnn.config import compatibility
from tests.fidelity.faults import FAULTS

ROOT = Path(__file__).resolve().parents[2]
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("differences", "fidelity")}
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def sections():
    """Returns the text below each heading that is a convention's name."""
    parts = re.split(r"^### `(\w+)`$", PAGES["differences"], flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (re.split(r"^##", part, flags=re.MULTILINE)[0] for part in parts[1::2]), strict=True))


def written(value):
    return value if isinstance(value, str) else json.dumps(int(value) if value == 0.0 and value is not False else value)


def test_there_are_no_other_conventions():
    assert set(sections()) == set(compatibility.BETTER)


@pytest.mark.parametrize("name", compatibility.BETTER)
def test_a_convention_has_its_values_its_effect_and_a_test(name):
    text = sections()[name]
    given = {word: value for word, value in re.findall(r"\*\*(\w+)\*\* `([^`]+)`", text)}
    expected = {word or "null": written(table[name]) for word, table in compatibility.CONVENTIONS.items()}
    assert given == expected
    assert "*Effect*" in text or "effect is measured" in text
    assert NAMED_TEST.search(text)


@pytest.mark.parametrize("page", PAGES)
def test_named_tests_exist(page):
    named = NAMED_TEST.findall(PAGES[page])
    assert len(named) >= 3
    missing = [name for path, name in named if f"def {name}(" not in (ROOT / path).read_text()]
    assert missing == []


def test_every_fault_has_its_row():
    table = PAGES["fidelity"].split("\n## What it notices\n")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(rows) - 2 == len(FAULTS)
    changed = {name for fault in FAULTS for name in fault.settings}
    assert changed - {"roi_sampling_ratio"} == set(re.findall(r"`(\w+)`", "".join(rows)))
    assert f"makes {len(FAULTS)} mistakes" in PAGES["fidelity"]
