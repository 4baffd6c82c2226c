from mrcnn.card import limits
from mrcnn.card.facts import ClassCounts, DataFacts, RunFacts

from . import made


def sentences(tmp_path, *, metrics=None, **data):
    facts = RunFacts(data=DataFacts(**data))
    if metrics:
        facts = facts.model_copy(update={"best": made.BEST.model_copy(update={"metrics": metrics})})
    return limits.sentences(made.contents(tmp_path, facts=facts))


def test_sentences_of_a_run(tmp_path):
    assert limits.sentences(made.contents(tmp_path)) == [
        "Classes with fewer than 50 training objects: cat (20).",
        "No validation image has an object of cat: nothing was measured of them.",
        "The classes are unbalanced: dog_1 has 600 training objects, cat has 20.",  # 600 >= 10 * 20
        "The same validation images chose the best epoch, so results on new images may be lower.",
        "No validation image has objects below 32 x 32 pixels: nothing was measured of these sizes.",
        "All images have 640 x 480 to 1600 x 1200 pixels; images of other sizes, cameras and places were not tried.",
    ]


def test_sentences_without_facts(tmp_path):
    assert limits.sentences(made.contents(tmp_path, facts=None)) == []
    assert sentences(tmp_path) == []


def test_sentences_of_classes_at_the_bounds(tmp_path):
    many = ClassCounts(train_objects=500, val_objects=1)
    few = ClassCounts(train_objects=50, val_objects=1)
    assert sentences(tmp_path, classes={"a": many, "b": few}) == [
        "The classes are unbalanced: a has 500 training objects, b has 50."
    ]
    assert sentences(tmp_path, classes={"a": many, "b": few.model_copy(update={"train_objects": 51})}) == []
    none = ClassCounts(val_objects=1)
    assert sentences(tmp_path, classes={"a_": none}) == [
        r"No training image has an object of a\_: the model cannot find them."
    ]


def test_sentences_name_some_of_many_classes(tmp_path):
    found = sentences(tmp_path, classes={f"c{index}": ClassCounts(val_objects=1) for index in range(12)})
    assert found[0].endswith("c8, c9 and 2 more: the model cannot find them.")


def test_sentences_of_shared_and_few_images(tmp_path):
    found = sentences(tmp_path, val_images=3, shared=1)
    assert found[0].startswith("1 image of the 3 validation images also trained the model")
    assert found[1] == "The results below are of 3 images only, and therefore uncertain."


def test_sentences_of_one_size(tmp_path):
    assert sentences(tmp_path, smallest=(10, 20), largest=(10, 20)) == [
        "All images have 20 x 10 pixels; images of other sizes, cameras and places were not tried."
    ]


def test_sentences_of_unreadable_images(tmp_path):
    facts = RunFacts(skipped_train=2, skipped_val=1)
    assert limits.sentences(made.contents(tmp_path, facts=facts)) == [
        "2 images of the training set and 1 image of the validation set could not be read and had no part."
    ]
