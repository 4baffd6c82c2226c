import math

import pytest

from mrcnn.report.evaluation import sections
from tests.report.evaluation import made

ALL = (
    sections.classes, sections.sizes, sections.precision_recall, sections.score_threshold, sections.confused,
    sections.errors, sections.calibrated,
)  # fmt: skip


def cells(*values):
    return "".join(f'<td class="n">{value}</td>' for value in values)


def test_classes():
    found = sections.classes(made.make())
    # at 0.85 one of three cats is found and nothing is wrong: F1 2/4; for cats alone so from 0.31 to 0.90
    assert f'<th scope="row">cat</th>{cells(3, 1, 0, 2, "1.000", "0.333", "0.500", "0.60")}' in found
    assert f'<th scope="row">all</th>{cells(3, 1, 0, 2)}' in found
    assert '<th scope="row">dog</th>' in found


def test_sizes():
    found = sections.sizes(made.make(mask_ap_large=math.nan))
    assert f'<th scope="row">small, under 1024 pixels</th>{cells(2, "0.500", "0.500")}' in found
    assert f'<th scope="row">large, from 9216 pixels</th>{cells(0)}<td>–</td>{cells("0.500")}' in found


def test_precision_recall_has_a_curve_for_each_class_with_objects():
    found = sections.precision_recall(made.make())
    assert found.count('class="line ') == 1
    assert "mean of the classes" not in found
    titles = ("bg", *(f"class {number}" for number in range(1, 12)))
    first = made.seen_images()[0]
    many = [first._replace(gt_class_ids=first.gt_class_ids + number) for number in range(10)]
    found = sections.precision_recall(made.make(many, titles))
    assert found.count('class="line ') == 1 + sections.MOST_CURVES
    assert "The 7 classes with the most objects of 10." in found
    assert "mean of the classes" in found
    found = sections.precision_recall(made.make([*many, many[9]], titles))  # class 10 has four objects, the others two
    assert (">class 10<" in found, ">class 7<" in found) == (True, False)


def test_score_threshold_is_shown_from_the_floor_on(monkeypatch):
    shown = []
    monkeypatch.setattr(sections.lines, "chart", lambda parts, axes, label: shown.extend(parts) or "")
    sections.score_threshold(made.make())
    assert {(len(line.points), line.points[0][0]) for line in shown} == {(96, 0.05)}  # 0.05, 0.06 ... 1


def test_score_threshold_names_the_key():
    found = sections.score_threshold(made.make())
    assert '<pre id="threshold-config"' in found
    assert '"model": {"score_floor": 0.85}' in found
    assert "F1 is best: 0.500, with a precision of 1.000 and a recall of 0.333" in found
    assert "No detection is right" in sections.score_threshold(made.make([]))


def test_confused_shows_the_matrix_and_the_confusions():
    images = made.seen_images()[1:]  # nothing is right, so that the floor is the threshold
    found = sections.confused(made.make(images))
    assert (
        '<th scope="row">cat</th><td class="n zero">·</td><td class="n wrong-4">1</td><td class="n zero">·</td>'
        in found
    )
    assert '<th scope="row">cat</th><td>dog</td><td class="n">1</td>' in found
    assert "No object was detected as another class" in sections.confused(made.make())


def test_confused_shows_the_classes_with_most_errors_alone():
    titles = ("bg", "cat", "dog", *(f"class {number}" for number in range(50)))
    found = sections.confused(made.make(made.seen_images()[1:], titles))
    assert found.count('<th scope="row">class') == sections.MOST_CELLS - 2
    assert "The 20 classes with the most errors of 52." in found


def test_errors():
    found = sections.errors(made.make())
    assert '<th scope="row">classification</th><td class="n">1</td>' in found
    assert found.count("<rect") == sum(one.gain >= 0.0005 for one in made.make().gains)


def test_calibrated():
    found = sections.calibrated(made.make())
    # scores 0.9 (right), 0.8 and 0.3 (wrong): (0.1 + 0.8 + 0.3) / 3
    assert "Expected calibration error: 0.400" in found
    assert sections.calibrated(made.make([])) == sections.soft("There is no detection.")


@pytest.mark.parametrize("section", ALL)
def test_sections_of_nothing(section):
    found = section(made.make([]))
    assert "nan" not in found.lower().replace("nano", "")


@pytest.mark.parametrize("section", ALL)
def test_sections_escape_titles(section):
    bad = "<script>alert(1)</script>"
    assert "<script" not in section(made.make(titles=("bg", bad, bad + "2")))


def test_numbers():
    assert (sections.share(None), sections.share(math.nan), sections.share(0.12345)) == ("–", "–", "0.123")
    assert (sections.threshold(None), sections.threshold(0.5)) == ("–", "0.50")
    assert math.isnan(sections.ratio(1, 0))
