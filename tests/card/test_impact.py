import pytest

from mrcnn.card import impact
from mrcnn.card.facts import Machine, Session
from mrcnn.card.markdown import UNKNOWN

from . import made


def test_hardware_names_each_machine_once(tmp_path):
    assert impact.hardware(made.contents(tmp_path)) == ["2 x Some GPU, Some CPU, 8 cores, 64 GB of memory"]
    assert impact.hardware(made.contents(tmp_path, facts=None)) == []
    other = Session(began="2026", machine=Machine(cores=1))
    nothing = Session(began="2026", machine=Machine())
    facts = made.FACTS.model_copy(update={"sessions": (*made.FACTS.sessions, other, nothing)})
    assert impact.hardware(made.contents(tmp_path, facts=facts))[1:] == ["1 core"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("imagenet", "pre-training"), ("transfer_learning", "fine-tuning"), ("continue_training", "fine-tuning")],
)
def test_training_type(tmp_path, kind, expected):
    found = made.contents(tmp_path, config={"settings": {"weights_init_type": kind}})
    assert impact.training_type(found) == expected


def test_section(tmp_path):
    lines = impact.section(made.contents(tmp_path, texts=made.texts(cloud_provider="Own"))).split("\n")
    assert lines[0] == "- **Hardware Type:** 2 x Some GPU, Some CPU, 8 cores, 64 GB of memory"
    assert lines[1] == "- **Hours used:** 2, with validation, in 2 sessions"
    assert lines[2:4] == ["- **Cloud Provider:** Own", "- **Compute Region:** *not stated*"]


def test_section_says_what_is_not_known(tmp_path):
    lines = impact.section(made.contents(tmp_path, facts=None)).split("\n")
    assert lines[0] == f"- **Hardware Type:** {UNKNOWN}"
    assert lines[1] == f"- **Hours used:** {UNKNOWN}"
    assert lines[-1] == f"- **Carbon Emitted:** {UNKNOWN}"
    incomplete = made.FACTS.model_copy(update={"is_complete": False})
    assert "at least 2, with" in impact.section(made.contents(tmp_path, facts=incomplete))
