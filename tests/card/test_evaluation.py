from mrcnn.card import evaluation
from mrcnn.card.facts import Picture
from mrcnn.card.markdown import UNKNOWN

from . import made


def test_results_are_of_all_sizes_and_classes(tmp_path):
    text = evaluation.results(made.contents(tmp_path))
    for row in (
        "| box AP | 0.500 |", "| mask AP | 0.250 |", "| small (below 32 x 32 pixels) | – | – |",
        "| medium (32 x 32 to 96 x 96) | 0.400 | 0.200 |", "| dog_1 | 60 | 0.500 | 0.750 | 0.250 | 0.500 |",
        "| cat | 0 | – | – | – | – |", "| class | objects | box AP | box AP50 | mask AP | mask AP50 |",
    ):  # fmt: skip
        assert row in text.split("\n")


def test_results_of_the_history_alone(tmp_path):
    found = made.contents(tmp_path, facts=None)
    assert evaluation.results(found) == "| measure | value |\n| --- | ---: |\n| box AP | 0.500 |"
    assert evaluation.factors(found) == "None: only averages were recorded."
    assert evaluation.summary(found) == "After epoch 2: box AP 0.500 on the validation images."


def test_without_results(tmp_path):
    found = made.contents(tmp_path, facts=None, rows=(), epoch=None)
    assert evaluation.results(found) == evaluation.measured(found) == evaluation.testing_data(found) == UNKNOWN
    assert evaluation.summary(found) == evaluation.pictures(found) == ""


def test_testing_data(tmp_path):
    text = evaluation.testing_data(made.contents(tmp_path, texts=made.texts(testing_data="Other pets.")))
    assert text.startswith("Other pets.\n\nThe 60 validation images of the training; they also chose the best epoch.")


def test_pictures_are_those_that_exist(tmp_path):
    both = tuple(Picture(file=name, image=f"ds/[{name}]") for name in ("a b.jpg", "no.jpg"))
    facts = made.FACTS.model_copy(update={"best": made.BEST.model_copy(update={"pictures": both})})
    (tmp_path / "run").mkdir()
    assert evaluation.pictures(made.contents(tmp_path, facts=facts)) == ""
    (tmp_path / "run" / "a b.jpg").touch()
    text = evaluation.pictures(made.contents(tmp_path, facts=facts))
    assert text.endswith("\n\n" + r"![ds/\[a b.jpg\]](a%20b.jpg)")
    assert "that score at least 0.7" in text
