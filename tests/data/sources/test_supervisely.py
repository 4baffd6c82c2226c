import io
import json

import cv2
import numpy as np
import pytest

from mrcnn import events
from mrcnn.config.load import load_train_config
from mrcnn.data import pipeline
from mrcnn.data.skipped import Skipped
from mrcnn.data.sources import samples, supervisely
from mrcnn.data.sources.source import DataPaths, Settings
from mrcnn.errors import UserError
from mrcnn.project.reader import Project


def _object(title, *, tags=(), **geometry):
    return {
        "classTitle": title,
        "tags": [{"name": name} for name in tags],
        **(geometry or {"points": {"exterior": [[0, 0], [3, 2]], "interior": []}}),
    }


def _project(path, annotations, *, titles=("Pear", "apple", "bg", "neutral"), shape="rectangle"):
    """Writes a project of one data set; an annotation is (image tags, objects), or a text that is no annotation."""
    classes = [{"title": title, "shape": shape, "color": "#FF0000"} for title in titles]
    tags = [{"name": name, "value_type": "none"} for name in ("train", "val", "iscrowd")]
    for folder in ("img", "ann"):
        (path / "ds" / folder).mkdir(parents=True)
    (path / "meta.json").write_text(json.dumps({"classes": classes, "tags": tags}))
    for name, annotation in annotations.items():
        (path / "ds" / "img" / name).write_bytes(b"not read here")
        if not isinstance(annotation, str):
            tags, objects = annotation
            size = {"height": 8, "width": 9}
            annotation = json.dumps({"size": size, "tags": [{"name": tag} for tag in tags], "objects": objects})
        (path / "ds" / "ann" / f"{name}.json").write_text(annotation)
    return Project.open(path)


def _load(project, *, log=None, **kwargs):
    settings = {"train_tag": "train", "val_tag": "val", "background": "bg", "neutral": "neutral"}
    source = supervisely.open_source(DataPaths(project.path))
    return samples.load_samples(source, Settings(**(settings | kwargs)), log=log)


def test_samples_of_both_sets(tmp_path):
    loaded = _load(
        _project(
            tmp_path,
            {
                "b.png": (["train"], [_object("apple"), _object("Pear")]),
                "a.png": (["train"], []),
                "c.png": (["val"], [_object("Pear")]),
                "d.png": ([], [_object("Pear")]),
            },
        )
    )
    assert loaded.class_title_to_idx == {"bg": 0, "Pear": 1, "apple": 2}
    assert [sample.name for sample in loaded.train] == ["ds/a.png", "ds/b.png"]
    assert [sample.name for sample in loaded.val] == ["ds/c.png"]
    assert loaded.train[0].labels == ()  # an image without objects stays
    assert loaded.train[1].class_ids == (2, 1)
    assert loaded.train[1].ignore == (False, False)
    assert loaded.train[1].size_hw == (8, 9)
    assert loaded.train[1].image_path == str(tmp_path / "ds" / "img" / "b.png")
    mask, corner = loaded.train[1].labels[0].to_mask(8, 9)
    assert (mask.shape, corner) == ((3, 4), (0, 0))


def test_background_is_dropped_neutral_and_crowds_are_ignored(tmp_path):
    objects = [_object("bg"), _object("neutral"), _object("apple", tags=["iscrowd"]), _object("apple")]
    objects.append(_object("bg", tags=["iscrowd"]))
    loaded = _load(_project(tmp_path, {"a.png": (["train", "val"], objects)}))
    assert loaded.train[0].class_ids == (0, 2, 2)  # a crowd keeps its class
    assert loaded.train[0].ignore == (True, True, False)
    assert len(loaded.train[0].labels) == 3


def test_neutral_objects_reach_the_batch_pixel_by_pixel(tmp_path):
    # 8 x 9 pixels are enlarged to 57 x 64 (factor 64 / 9): columns 0..3 end at 4 * 64 / 9 = 28.4, rows 0..2 at
    # 3 * 57 / 8 = 21.4, below (64 - 57) // 2 = 3 rows of padding
    project = _project(tmp_path, {"a.png": (["train", "val"], [_object("apple"), _object("neutral")])})
    (tmp_path / "ds" / "img" / "a.png").write_bytes(cv2.imencode(".png", np.zeros((8, 9, 3), np.uint8))[1].tobytes())
    config = load_train_config({"input_size": {"min_dim": 64, "max_dim": 64}})
    dataset = pipeline.val_dataset(_load(project).val, config, batch_size=1, skipped=Skipped(1))
    (batch,) = dataset.as_numpy_iterator()
    expected = np.zeros((64, 64), bool)
    expected[3:25, 0:29] = True
    np.testing.assert_array_equal(batch["neutral"][0], expected)
    assert batch["gt_valid"].sum() == batch["gt_ignore"].sum() == 1


def test_figures_bound_to_one_instance_are_one_object(tmp_path):
    right = {"exterior": [[6, 1], [7, 4]], "interior": []}
    objects = [
        _object("apple") | {"instance": "x"},
        _object("Pear") | {"instance": "x"},  # another class is another object
        _object("apple", points=right) | {"instance": "x"},
        _object("apple") | {"instance": ""},
        _object("apple") | {"instance": None},
    ]
    sample = _load(_project(tmp_path, {"a.png": (["train", "val"], objects)})).train[0]
    assert sample.class_ids == (2, 1, 2, 2)
    mask, corner = sample.labels[0].to_mask(8, 9)
    assert (mask.shape, corner) == ((5, 8), (0, 0))  # columns 0..3 of rows 0..2, and columns 6..7 of rows 1..4
    assert mask.sum() == 4 * 3 + 2 * 4


def test_a_class_called_neutral_is_ordinary_unless_configured(tmp_path):
    loaded = _load(_project(tmp_path, {"a.png": (["train", "val"], [_object("neutral")])}), neutral=None)
    assert loaded.class_title_to_idx == {"bg": 0, "Pear": 1, "apple": 2, "neutral": 3}
    assert loaded.train[0].class_ids == (3,)


def test_a_trained_models_numbers_are_used(tmp_path):
    project = _project(tmp_path, {"a.png": (["train", "val"], [_object("apple")])})
    mapping = {"bg": 0, "apple": 1, "Pear": 2}
    loaded = _load(project, class_title_to_idx=mapping)
    assert loaded.class_title_to_idx == mapping
    assert loaded.train[0].class_ids == (1,)


def test_a_class_without_a_number(tmp_path):
    project = _project(tmp_path, {"a.png": (["train", "val"], [_object("apple")])})
    with pytest.raises(UserError, match=r"a\.png\.json: class 'apple' is none of \['Pear', 'bg'\]"):
        _load(project, class_title_to_idx={"bg": 0, "Pear": 1})


@pytest.mark.parametrize("objects", [[], [_object("bg")], [_object("neutral")], [_object("apple", tags=["iscrowd"])]])
@pytest.mark.parametrize(("empty", "other"), [("train", "val"), ("val", "train")])
def test_a_set_with_nothing_to_learn(tmp_path, objects, empty, other):
    project = _project(tmp_path, {"a.png": ([empty], objects), "b.png": ([other], [_object("apple")])})
    with pytest.raises(UserError, match=rf"`dataset_tags\.{empty}`: the 1 images .* have no object"):
        _load(project)


def test_a_broken_annotation_is_skipped_and_named(tmp_path):
    good = (["train", "val"], [_object("apple")])
    unknown = (["train"], [_object("plum")])
    project = _project(tmp_path, {"a.png": good, "b.png": "{", "c.png": good, "d.png": unknown, "e.png": good})
    stream = io.StringIO()
    loaded = _load(project, log=events.JsonLog(stream))
    assert [sample.name for sample in loaded.train] == ["ds/a.png", "ds/c.png", "ds/e.png"]
    messages = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert [message for message in messages if "b.png.json" in message and message.startswith("skipped ds/b.png")]
    assert [message for message in messages if "d.png.json" in message and "plum" in message]


def test_load_samples_counts_one_mistake_of_many_annotations_in_one_line(tmp_path):
    files = {f"{number}.png": (["train", "val"], [_object("apple")]) for number in range(9)}
    bad = {f"{number}.png": (["train"], [_object("plum")]) for number in range(10, 18)}
    stream = io.StringIO()
    _load(_project(tmp_path, files | bad), log=events.JsonLog(stream))
    messages = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert sum(message.startswith("skipped ds/1") for message in messages) == 3
    (line,) = [
        message for message in messages if message.startswith("8 of 17 images skipped: 8 times, e.g. ds/10.png (")
    ]
    assert line.endswith("; python -m mrcnn check --all names each")


@pytest.mark.parametrize(("share", "works"), [(0.5, True), (0.49, False), (0.0, False), (1.0, True)])
def test_the_share_of_broken_annotations_is_a_setting(tmp_path, share, works):
    good = (["train", "val"], [_object("apple")])
    project = _project(tmp_path, {"a.png": good, "b.png": "{"})
    if works:
        assert len(_load(project, max_skipped_share=share).train) == 1
    else:
        with pytest.raises(UserError, match="too many images cannot be used: 1 of 2"):
            _load(project, max_skipped_share=share)


def test_most_annotations_broken(tmp_path):
    good = (["train", "val"], [_object("apple")])
    project = _project(tmp_path, {"a.png": good, "b.png": "{", "c.png": "["})
    with pytest.raises(UserError, match="too many images cannot be used: 2 of 3"):
        _load(project)


def test_overlap_and_leftovers_are_reported(tmp_path):
    both, none = (["train", "val"], [_object("apple")]), ([], [])
    stream = io.StringIO()
    _load(_project(tmp_path, {"a.png": both, "b.png": none, "c.png": none}), log=events.JsonLog(stream))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["message"][:52] for line in lines if line["level"] == "warn"] == [
        "1 images are tagged for both training and validation"
    ]
    assert lines[-1]["message"] == "1 training and 1 validation images, 2 images with neither tag"


def test_shapes_that_cannot_be_drawn_are_counted(tmp_path):
    odd = _object("apple", geometryType="mesh", faces=[1])
    drawn = _object("apple", geometryType="rectangle", points={"exterior": [[0, 0], [3, 2]], "interior": []})
    stream = io.StringIO()
    project = _project(tmp_path, {"a.png": (["train", "val"], [odd, drawn, odd])}, shape="any")
    loaded = _load(project, log=events.JsonLog(stream))
    assert [label.to_mask(8, 9) is not None for label in loaded.train[0].labels] == [False, True, False]
    assert "2 objects of shape mesh cannot be drawn and are left out" in stream.getvalue()


def test_shapes_without_area_are_counted_in_one_line(tmp_path):
    point = _object("apple", geometryType="point", points={"exterior": [[1, 1]], "interior": []})
    line = _object("apple") | {"geometryType": "line"}
    stream = io.StringIO()
    project = _project(tmp_path, {"a.png": (["train", "val"], [point, line]), "b.png": (["val"], [line])}, shape="any")
    loaded = _load(project, log=events.JsonLog(stream))
    assert loaded.train[0].labels[0].to_mask(8, 9)[0].shape == (1, 1)
    lines = [line for line in stream.getvalue().splitlines() if "without area" in line]
    assert len(lines) == 1
    assert "3 objects without area (2 of shape line, 1 of shape point)" in lines[0]


def test_a_size_left_open(tmp_path):
    project = _project(tmp_path, {"a.png": (["train", "val"], [_object("apple")])})
    path = tmp_path / "ds" / "ann" / "a.png.json"
    path.write_text(path.read_text().replace('"height": 8', '"height": null'))
    loaded = _load(project)
    assert loaded.train[0].size_hw is None
    np.testing.assert_array_equal(loaded.train[0].class_ids, [2])


def test_objects_of_the_background_class_are_counted(tmp_path):
    stream = io.StringIO()
    annotations = {
        "a.png": (["train"], [_object("apple"), _object("bg"), _object("bg")]),
        "b.png": (["val"], [_object("apple"), _object("bg")]),
        "c.png": ([], [_object("bg")]),
    }
    _load(_project(tmp_path, annotations), log=events.JsonLog(stream))
    assert (
        "3 objects of class 'bg' not learnt but taken as background, since `special_classes.background` names it"
        in [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    )


def test_open_source_has_the_further_keys_of_classes(tmp_path):
    project = _project(tmp_path, {"a.png": (["train", "val"], [_object("apple")])})
    meta = json.loads((project.path / "meta.json").read_text())
    meta["classes"][0]["frequency"] = "r"
    (project.path / "meta.json").write_text(json.dumps(meta))
    facts = supervisely.open_source(DataPaths(project.path)).class_facts
    assert list(facts) == [item["title"] for item in meta["classes"]]
    assert facts[meta["classes"][0]["title"]]["frequency"] == "r"
