"""Label formats as sources: classes, splits, a second data set, and the samples of a training."""

import pytest

from mrcnn.data.formats.record import Report
from mrcnn.data.sources import formats, table
from mrcnn.data.sources.samples import load_samples
from mrcnn.data.sources.source import DataPaths, Settings
from mrcnn.errors import UserError
from tests.data.formats import making, test_labelme, test_yolo
from tests.data.formats.making import TRIANGLE


def labelme(root, count, *, title="cat", start=0):
    for index in range(start, start + count):
        making.image(root / f"{index}.png")
        shapes = [test_labelme.shape(title, flags={"old": True})]
        making.write(root / f"{index}.json", test_labelme.content(*shapes, path=f"{index}.png"))


def test_open_source_of_a_format_without_splits(tmp_path):
    labelme(tmp_path, 8)
    labelme(tmp_path, 2, title="ape", start=8)
    source = table.open_source(DataPaths(tmp_path))
    assert (source.kind, source.left_out, len(source.items)) == ("labelme data set", 0, 10)
    assert [item.title for item in source.meta.classes] == ["ape", "cat"]
    assert {item.name for item in source.meta.tags} == {"old", "iscrowd"}
    samples = load_samples(source, Settings(seed=1))
    assert samples.class_title_to_idx == {"bg": 0, "ape": 1, "cat": 2}
    assert sorted(sample.class_ids[0] for sample in samples.val) == [1, 2, 2]  # 1 of 2 apes, round(1.6) of 8 cats
    assert len(samples.train) == 7


def test_open_source_keeps_the_splits_of_the_data(tmp_path):
    test_yolo.roboflow(tmp_path)
    samples = load_samples(table.open_source(DataPaths(tmp_path / "data.yaml")), Settings())
    assert [[item.name for item in part] for part in (samples.train, samples.val)] == [
        ["train_images/train.png"],
        ["valid_images/valid.png"],
    ]


def test_open_source_with_data_to_validate_on(tmp_path):
    labelme(tmp_path / "one" / "set", 2)
    labelme(tmp_path / "two" / "set", 1, title="ape")
    paths = DataPaths(tmp_path / "one", val_data=tmp_path / "two")
    source = table.open_source(paths)
    assert [(item.dataset, item.name, item.split) for item in source.items] == [
        ("set", "0.png", "train"),
        ("set", "1.png", "train"),
        ("set_val", "0.png", "val"),
    ]
    assert [item.title for item in source.meta.classes] == ["ape", "cat"]


def test_open_source_takes_boxes_only_where_asked(tmp_path):
    box = test_labelme.shape(kind="rectangle", points=[[10, 5], [20, 15]])
    for index in range(2):
        making.image(tmp_path / f"{index}.png")
        making.write(tmp_path / f"{index}.json", test_labelme.content(box, path=f"{index}.png"))
    with pytest.raises(UserError, match="--boxes-as-masks"):
        table.open_source(DataPaths(tmp_path))
    source = table.open_source(DataPaths(tmp_path, boxes_as_masks=True))
    assert making.objects(source.items[0]) == [("cat", 100, [])]


def test_split_items_never_draws_test_images(tmp_path):
    labelme(tmp_path / "train", 4)
    labelme(tmp_path / "test", 9)
    source = table.open_source(DataPaths(tmp_path))
    samples = load_samples(source, Settings())
    assert (len(samples.train), len(samples.val)) == (3, 1)
    assert all(sample.name.startswith("train/") for sample in (*samples.train, *samples.val))


def test_split_items_of_one_image(tmp_path):
    labelme(tmp_path, 1)
    with pytest.raises(UserError, match="has one image, which cannot both train and validate"):
        load_samples(table.open_source(DataPaths(tmp_path)), Settings())


def test_check_paths_reads_nothing(tmp_path):
    path = making.write(tmp_path / "a.json", '{"shapes": [')
    table.check_paths(DataPaths(path))
    with pytest.raises(UserError, match=r"--val-images .* has no effect without --val-data"):
        table.check_paths(DataPaths(path, val_images=tmp_path))
    with pytest.raises(UserError, match=r"the data .*none does not exist"):
        formats.check_paths(DataPaths(path, val_data=tmp_path / "none"))


def test_meta_of_nothing():
    meta = formats.meta_of([], Report())
    assert (meta.classes, [item.name for item in meta.tags]) == ((), ["iscrowd"])


def test_opener_opens_its_format(tmp_path):
    labelme(tmp_path, 2, title="bee")
    assert formats.opener("labelme")(DataPaths(tmp_path)).meta.classes[0].title == "bee"


def test_groups_are_one_object_of_a_sample(tmp_path):
    for index in range(2):
        making.image(tmp_path / f"{index}.png")
        shapes = [test_labelme.shape(group_id=1), test_labelme.shape(points=TRIANGLE, group_id=1), test_labelme.shape()]
        making.write(tmp_path / f"{index}.json", test_labelme.content(*shapes, path=f"{index}.png"))
    sample = load_samples(table.open_source(DataPaths(tmp_path)), Settings()).train[0]
    masks = [label.to_mask(making.HEIGHT, making.WIDTH)[0].sum() for label in sample.labels]
    assert len(masks) == 2
    assert masks[0] > masks[1] == 100
