import pytest

from mrcnn.config.load import load_train_config
from mrcnn.errors import UserError
from mrcnn.train import mask_classes
from tests.train.conftest import HeardLog

MAPPING = {"bg": 0, "bar": 1, "disc": 2, "star": 3}


def config(titles, **model):
    return load_train_config({"allowed_mask_classes": titles, "model": model})


@pytest.mark.parametrize(("titles", "expected"), [(None, None), (["disc"], (2,)), (["star", "bar", "star"], (1, 3))])
def test_ids_are_increasing_and_each_once(titles, expected):
    assert mask_classes.ids(config(titles), MAPPING) == expected


@pytest.mark.parametrize("title", ["dics", "bg"])
def test_ids_refuses_other_titles(title):
    expected = r"^`allowed_mask_classes` must list classes of the data, got \"" + title
    with pytest.raises(UserError, match=expected):
        mask_classes.ids(config([title]), MAPPING)


def test_an_empty_list_is_refused():
    with pytest.raises(UserError, match=r"`allowed_mask_classes`.*at least 1 item"):
        config([])


def test_check_says_which_classes_learn_no_masks():
    log = HeardLog()
    mask_classes.check(config(None), MAPPING, log=log)
    mask_classes.check(config(["bar", "disc", "star"]), MAPPING, log=log)
    assert log.messages == []
    mask_classes.check(config(["disc"], class_agnostic_masks=True), MAPPING, log=log)
    assert log.messages == ["`allowed_mask_classes`: the masks of bar, star train nothing"]


def test_check_warns_of_masks_that_stay_untrained():
    log = HeardLog()
    mask_classes.check(config(["disc"]), MAPPING, log=log)
    (line,) = log.messages
    assert line.startswith("`allowed_mask_classes`: the masks of bar, star train nothing, and these classes have masks")
    assert "`model.class_agnostic_masks` true" in line


def test_check_refuses_a_model_without_masks():
    with pytest.raises(UserError, match=r"^`allowed_mask_classes` must be null for a model without masks"):
        mask_classes.check(config(["disc"], family="torchvision", heads=["keypoints"]), MAPPING, log=HeardLog())
