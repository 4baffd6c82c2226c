from mrcnn.card.facts import ClassCounts
from mrcnn.data.sources.source import Samples
from mrcnn.structures import Sample
from mrcnn.train import data_facts


def sample(name, class_ids, *, ignore=None, size=(10, 20)):
    ignore = (False,) * len(class_ids) if ignore is None else ignore
    return Sample(name, f"/{name}", (None,) * len(class_ids), class_ids, ignore, size)


def test_count():
    train = (sample("a", (1, 1, 2)), sample("b", (1, 0), ignore=(True, True), size=(30, 10)))
    val = (sample("c", (2,), size=None), sample("a", ()))
    found = data_facts.count(Samples(train, val, {"bg": 0, "dog": 2, "cat": 1}), name="pets")
    assert (found.name, found.train_images, found.val_images, found.ignored) == ("pets", 2, 2, 2)
    assert (found.smallest, found.largest) == ((10, 20), (30, 10))  # 200 and 300 pixels
    assert found.shared == 1  # a
    assert list(found.classes) == ["cat", "dog"]
    assert found.classes["cat"] == ClassCounts(train_objects=2, train_images=1)
    assert found.classes["dog"] == ClassCounts(train_objects=1, train_images=1, val_objects=1, val_images=1)


def test_count_of_nothing():
    found = data_facts.count(Samples((), (), {"bg": 0}), name="")
    assert (found.train_images, found.classes, found.smallest, found.largest, found.shared) == (0, {}, None, None, 0)


def test_choose_examples_shows_as_many_classes_as_possible():
    samples = [sample("a", (1,) * 5), sample("b", (1, 2)), sample("c", (1, 1, 2)), sample("d", (3,)), sample("e", (1,))]
    assert data_facts.choose_examples(samples) == (1, 3)  # 2 classes with 2 objects, then the third class
    assert data_facts.choose_examples(samples, most=3) == (1, 3, 4)  # no new class: the fewest objects
    assert data_facts.choose_examples(samples[:1]) == (0,)


def test_choose_examples_leaves_out_empty_and_huge_images():
    huge = sample("a", (1,), size=(5000, 5001))
    assert data_facts.choose_examples([huge, sample("b", ()), sample("c", (1,), ignore=(True,))]) == ()
    assert data_facts.choose_examples([huge, sample("b", (1,), size=(5000, 5000)), sample("c", (1,), size=None)]) == (
        1,
        2,
    )
    assert data_facts.choose_examples([]) == ()
