"""The workplace beside the output, and the move of a proven model to its name."""

import json

import pytest

from mrcnn.errors import UserError
from mrcnn.export import publish
from mrcnn.export.precision import Tolerances
from mrcnn.export.proof import Proof
from mrcnn.export.publish import Evidence
from mrcnn.export.scores import Scores

PASSED = Proof(0.5, Tolerances(), ())


class Failed(Proof):
    failures = ("a.png (toy): scores by 0.5", "b.png (toy): scores by 0.5")


@pytest.fixture
def model(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "weights").write_text("1")
    return tmp_path / "work"


def test_workplace_is_empty_and_removed(tmp_path):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "half").write_text("")
    with publish.workplace(tmp_path / "out", title="toy") as folder:
        assert folder == tmp_path / "out.partial"
        assert list(folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_workplace_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match=r"^cannot write the toy .*/taken/1\.partial: Not a directory$"):
        with publish.workplace(tmp_path / "taken" / "1", title="toy"):
            pass


def test_publish_moves_the_model_with_its_report(model, tmp_path):
    publish.publish(model, tmp_path / "out", Evidence([PASSED]), title="toy", versions={"toy": "1.2"})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["verify.json", "verify.md", "weights"]
    report = json.loads((tmp_path / "out" / "verify.json").read_text())
    assert list(report) == ["passed", "weak", "toy", "proofs"]
    assert (report["passed"], report["weak"], report["toy"], len(report["proofs"])) == (True, True, "1.2", 1)
    assert not model.exists()


def test_publish_refuses_a_failed_proof(model, tmp_path):
    failed = Failed(0.5, Tolerances(), ())
    with pytest.raises(
        UserError, match=r"live one: a\.png \(toy\): scores by 0\.5 \(and 1 more\); nothing was exported"
    ):
        publish.publish(model, tmp_path / "out", Evidence([PASSED, failed]), title="toy", versions={})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.refused.json", "out.refused.md", "work"]
    assert json.loads((tmp_path / "out.refused.json").read_text())["passed"] is False
    assert "**Refused: " in (tmp_path / "out.refused.md").read_text()


def test_publish_refuses_another_ap(model, tmp_path):
    scores = Scores({"box_ap": 0.5, "mask_ap": 0.5}, {"box_ap": 0.499, "mask_ap": 0.49}, 300, 0.05)
    with pytest.raises(UserError, match=r"not equal to the live one: mask_ap differs by 0\.0100; nothing was exported"):
        publish.publish(model, tmp_path / "out", Evidence([PASSED], scores=scores), title="toy", versions={})


def test_publish_names_what_reduced_weights_lost(model, tmp_path):
    scores = Scores({"mask_ap": 0.5}, {"mask_ap": 0.48}, 3, 0.05, reduced=True)
    publish.publish(model, tmp_path / "out", Evidence([PASSED], scores=scores), title="toy", versions={})
    assert json.loads((tmp_path / "out" / "verify.json").read_text())["ap"]["recommended"] is False


def test_write_json_keeps_letters_and_ends_with_a_line_break(tmp_path):
    publish.write_json(tmp_path / "a.json", {"title": "Mönch"})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n  "title": "Mönch"\n}\n'
