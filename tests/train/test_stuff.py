import pytest

from mrcnn.config.load import load_train_config
from mrcnn.errors import UserError
from mrcnn.model_folder.record import Record
from mrcnn.train import stuff


def config(titles=(), heads=(), **values):
    return load_train_config({"special_classes": {"stuff": titles}, "model": {"extra_heads": heads}, **values})


def record(tmp_path, titles):
    return Record(tmp_path / "config.json", {"model": {"extra_heads": ["semantic"], "stuff_classes": titles}})


def test_settle_gives_the_model_its_classes():
    settled = stuff.settle(config(["sky", "road"], ["semantic"]))
    assert settled.model.stuff_classes == ("sky", "road")
    assert settled.given_model["stuff_classes"] == ["sky", "road"]  # so that start weights do not replace them
    assert stuff.settle(settled).model == settled.model
    assert stuff.settle(config()).model.stuff_classes == ()


def test_settle_refuses_two_lists():
    both = load_train_config({"special_classes": {"stuff": ["sky"]}, "model": {"stuff_classes": ["road"]}})
    with pytest.raises(UserError, match=r'`special_classes.stuff`, \["sky"\], got \["road"\]; leave it out'):
        stuff.settle(both)


@pytest.mark.parametrize(
    ("titles", "heads", "message"),
    [
        (["sky"], [], "needs the head 'semantic', which `model.extra_heads` lacks"),
        ([], ["semantic"], "must list the classes of the head 'semantic', got none"),
    ],
)
def test_check_refuses_one_without_the_other(titles, heads, message):
    with pytest.raises(UserError, match=message):
        stuff.check(config(titles, heads))


def test_check_accepts_both_or_none():
    stuff.check(config(["sky"], ["semantic"]))
    stuff.check(config())


def test_check_compares_the_classes_of_a_continued_training(tmp_path):
    ours = config(["sky", "road"], ["semantic"], weights_init_type="continue_training")
    stuff.check(ours, record(tmp_path, ["sky", "road"]))
    with pytest.raises(UserError, match=r'in their order, \["road", "sky"\], got \["sky", "road"\]; use transfer'):
        stuff.check(ours, record(tmp_path, ["road", "sky"]))
    stuff.check(config(["sky"], ["semantic"]), record(tmp_path, ["road"]))  # transfer_learning makes new ones
