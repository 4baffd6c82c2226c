import re

import pytest

from mrcnn.config.inference import FullImageMode
from mrcnn.errors import UserError
from mrcnn.evaluate import run as scoring
from mrcnn.evaluate.run import Prepared
from mrcnn.events import JsonLog
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.report.evaluation import write
from tests.predict import helpers
from tests.serve import browser


@pytest.fixture
def prepared(tmp_path):
    source = sources.open_project(helpers.write_scored_project(tmp_path))
    return Prepared(Predictor(helpers.make_bundle(score_threshold=0.05)), source, None, {})


def evaluate(prepared, path):
    mode = FullImageMode()
    metrics = write.evaluate(prepared, path, model="m", mode=mode, batch_size=2, log=JsonLog())
    return metrics, path.read_text(encoding="utf-8")


def test_evaluate_is_one_file_that_loads_nothing(prepared, tmp_path):
    metrics, page = evaluate(prepared, tmp_path / "new" / "report.html")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]
    assert not re.findall(r"""(?:src|href)=["'](?!data:image/jpeg;base64,|#)""", page)
    assert page.count("<img") == 2 * 3
    alone = scoring.evaluate_prepared(prepared, mode=FullImageMode(), batch_size=2, log=JsonLog())
    assert scoring.jsonable(metrics) == scoring.jsonable(alone)
    for heading in ("Findings", "Score threshold", "Classes", "Types of errors", "Confusion matrix", "Calibration"):
        assert f">{heading}</h2>" in page
    assert "Learning curves" not in page  # the model has no run


def test_evaluate_twice_is_the_same_file(prepared, tmp_path):
    assert evaluate(prepared, tmp_path / "a.html")[1] == evaluate(prepared, tmp_path / "b.html")[1]


def test_evaluate_keeps_the_former_file_after_an_error(prepared, tmp_path):
    (tmp_path / "a.html").write_text("old")
    for path in (tmp_path / "animals").rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="none of the 3 images could be used"):
        evaluate(prepared, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text() == "old"


@pytest.mark.slow  # starts a browser
@pytest.mark.skipif(browser.MISSING is not None, reason=str(browser.MISSING))
def test_evaluate_in_a_browser(prepared, tmp_path):
    evaluate(prepared, tmp_path / "a.html")
    with browser.browsing() as window:
        window.open((tmp_path / "a.html").as_uri())
        assert window.complaints() == []  # the policy allows all that the page has
        assert window.run("return getComputedStyle(document.querySelector('path.line-0')).stroke") != "none"
        assert window.run("return document.body.scrollWidth <= innerWidth")
        window.click("button[data-copy]")
        window.wait_for("[role=status]", "Copied.")
