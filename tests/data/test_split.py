import pytest

from mrcnn.data import split
from mrcnn.errors import UserError
from mrcnn.project.annotation import Annotation, Tag
from mrcnn.structures import Sample


def _annotation(*names):
    return Annotation(size_hw=(1, 1), tags=tuple(Tag(name, value="any") for name in names))


def _sample(*ignore):
    return Sample("ds/a.png", "a.png", labels=(None,) * len(ignore), class_ids=(1,) * len(ignore), ignore=ignore)


def test_split_items_each_set_has_its_tag():
    annotations = [_annotation("val"), _annotation("train", "x"), _annotation("x"), _annotation("train", "val")]
    chosen = split.split_items(annotations, train_tag="train", val_tag="val")
    assert chosen == split.Split(train=(1, 3), val=(0, 3), both=1, neither=1)


def test_split_items_both_sets_may_have_one_tag():
    chosen = split.split_items([_annotation("t"), _annotation()], train_tag="t", val_tag="t")
    assert chosen == split.Split(train=(0,), val=(0,), both=1, neither=1)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ([["train"], ["other"]], r"`dataset_tags\.val`: none of the 2 images has the tag 'val' .*other, train"),
        ([["val"]], r"`dataset_tags\.train`: none of the 1 images has the tag 'train'"),
        ([[]], r"\(tags there: none\)"),
        ([], r"none of the 0 images"),
    ],
)
def test_split_items_empty_set(tags, message):
    with pytest.raises(UserError, match=message):
        split.split_items([_annotation(*names) for names in tags], train_tag="train", val_tag="val")


def test_one_object_is_enough():
    ignored_only, with_object = _sample(True), _sample(True, False)
    with pytest.raises(UserError, match="have no object"):
        split.require_objects([_sample(), ignored_only], name="the images of val", fix="annotate")
    assert split.require_objects([_sample(), with_object], name="the images of val", fix="annotate") is None


@pytest.mark.parametrize("samples", [[_sample()], [_sample(True), _sample()]])
def test_require_objects_of_a_set_without_any(samples):
    with pytest.raises(UserError, match=r"^the images of val have no object of a class to learn; annotate$"):
        split.require_objects(samples, name="the images of val", fix="annotate")
