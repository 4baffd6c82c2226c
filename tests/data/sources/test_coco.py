"""COCO JSON as a source: the same batches as of the converted project, splits, and what is refused."""

import io
import json

import cv2
import numpy as np
import pytest

from mrcnn import events
from mrcnn.config.load import load_train_config
from mrcnn.convert import coco as converter
from mrcnn.data import pipeline
from mrcnn.data.skipped import Skipped
from mrcnn.data.sources import coco, supervisely
from mrcnn.data.sources.samples import load_samples, without_mask
from mrcnn.data.sources.source import DataPaths, Settings
from mrcnn.errors import UserError
from mrcnn.fields.mask_points import MaskPoints
from mrcnn.fields.table import FIELDS
from tests.data.coco import cases
from tests.data.coco.cases import CAT, DOG, HEIGHT, SQUARE, WIDTH, annotation, content, image
from tests.fields import toy

FAR = [60, 2, 70, 2, 70, 5, 60, 5]
RUNS = {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * 3 + 5, 9, HEIGHT - 9, 9, HEIGHT * (WIDTH - 5) + HEIGHT - 14]}
CONFIG = {
    "input_size": {"min_dim": 64, "max_dim": 64},
    "model": {"max_gt_instances": 6, "gt_mask_size": 16},
    "augmentation": [{"name": "Fliplr", "args": {"p": 0.5}}],
}


def write(folder, made, names=("a.png", "b.png")):
    """Writes a file and images of noise; gives their paths."""
    path, images = cases.write(folder, made, names=names)
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        cv2.imwrite(str(images / name), pixels)
    return path, images


@pytest.fixture
def pair(tmp_path):
    """Two COCO files with what real ones hold: parts, runs, crowds, broken objects, gaps, ids out of order."""
    train = content(
        annotation(1, segmentation=[SQUARE, FAR]),
        annotation(2, image_id=1, category_id=9, segmentation=RUNS),
        annotation(3, image_id=2, category_id=9, iscrowd=1),
        annotation(4, image_id=2, segmentation=[[1, 2, 3]]),
        annotation(4, image_id=2, segmentation=[FAR]),  # the same id again
        annotation(5, image_id=3, category_id=5),
        annotation(6, image_id=4),
        annotation(7, image_id=1, category_id=77),
        images=[image(3, "c.png"), image(2, "b.png"), image(1, "a.png"), image(4, "gone.png"), image(5, "e.png")],
        categories=[{"id": 9, "name": "dog"}, {"id": 5, "name": "ape"}, CAT],
    )
    val = content(
        annotation(1, category_id=2), images=[image(1, "v.png")], categories=[CAT, DOG, {"id": 3, "name": "x"}]
    )
    names = ("a.png", "b.png", "c.png", "e.png")
    return *write(tmp_path / "train", train, names), *write(tmp_path / "val", val, ("v.png",))


def load(paths, *, log=None, **settings):
    return load_samples(coco.open_source(paths), Settings(**settings), log=log)


def batches(samples, config):
    dataset, steps = pipeline.train_dataset(samples.train, config, batch_size=2, skipped=Skipped(9))
    yield from dataset.take(2 * steps).as_numpy_iterator()
    yield from pipeline.val_dataset(samples.val, config, batch_size=1, skipped=Skipped(9)).as_numpy_iterator()


@pytest.mark.parametrize("special", [{}, {"neutral": "ape"}, {"background": "ape"}])
def test_open_source_gives_the_batches_of_the_converted_project(pair, tmp_path, special):
    train, train_images, val, val_images = pair
    splits = [converter.Split("train", train, train_images), converter.Split("val", val, val_images)]
    log = events.JsonLog(io.StringIO())
    converter.convert(splits, tmp_path / "project", log)
    settings = Settings(**special)
    converted = load_samples(supervisely.open_source(DataPaths(tmp_path / "project")), settings)
    direct = load_samples(coco.open_source(DataPaths(*pair)), settings)
    assert direct.class_title_to_idx == converted.class_title_to_idx
    assert len(direct.train) == 4
    config, count = load_train_config(CONFIG), 0
    for ours, theirs in zip(batches(direct, config), batches(converted, config), strict=True):
        count += 1
        for name, value in theirs.items():
            np.testing.assert_array_equal(ours[name], value, err_msg=name)
    assert count == 5
    assert sum(batch["gt_valid"].sum() for batch in batches(direct, config)) > 4


def test_open_source_makes_the_classes_of_the_converted_project(pair, tmp_path):
    train, train_images, val, val_images = pair
    splits = [converter.Split("train", train, train_images), converter.Split("val", val, val_images)]
    converter.convert(splits, tmp_path / "project", events.JsonLog(io.StringIO()))
    converted = supervisely.open_source(DataPaths(tmp_path / "project"))
    direct = coco.open_source(DataPaths(*pair))
    assert direct.meta.classes == converted.meta.classes
    assert [item.title for item in direct.meta.classes] == ["cat", "ape", "dog", "x"]  # by id, then what is new


def test_open_source_copies_nothing(pair):
    before = sorted(pair[0].parents[1].rglob("*"))
    source = coco.open_source(DataPaths(*pair))
    assert sorted(pair[0].parents[1].rglob("*")) == before
    assert source.items[0].image_path == pair[1] / "a.png"


def test_open_source_counts_and_names_what_is_left_out(pair):
    source = coco.open_source(DataPaths(*pair))
    assert source.left_out == 1
    assert [line.replace(str(pair[1]), "DIR") for line in source.warnings] == [
        "1 image left out, file not found: there is no DIR/gone.png",
        "1 object left out, since the image is left out: annotation 6 of image 4",
        "1 object left out, category not in the file: annotation 7 of image a.png (category 77)",
        "1 object left out, the outline has invalid coordinates: annotation 4 of image b.png "
        "(fewer than 3 points, or a number too many)",
    ]


def test_open_source_names_images_apart_where_both_files_have_one_name(pair):
    source = coco.open_source(DataPaths(*pair))
    assert [f"{item.dataset}/{item.name}" for item in source.items] == [
        "a/a.png", "a/b.png", "a/c.png", "a/e.png", "a_2/v.png",
    ]  # fmt: skip


def test_open_source_of_one_file_draws_a_fifth_by_the_seed(tmp_path):
    names = tuple(f"{number:02}.png" for number in range(10))
    images = [image(number, name) for number, name in enumerate(names)]
    paths = DataPaths(*write(tmp_path, content(*map(annotation, range(10)), images=images), names))
    stream = io.StringIO()
    first = load(paths, log=events.JsonLog(stream))
    assert (len(first.train), len(first.val)) == (8, 2)
    everything = {sample.name for sample in (*first.train, *first.val)}
    assert everything == {f"a/{name}" for name in names}
    assert [sample.name for sample in load(paths).val] == [sample.name for sample in first.val]
    others = {tuple(sample.name for sample in load(paths, seed=seed).val) for seed in range(1, 6)}
    assert len(others) > 1
    last = json.loads(stream.getvalue().splitlines()[-1])["message"]
    assert last == "8 training and 2 validation images: drawn from a.json by `seed` 0; --val-data names others"


def test_open_source_uses_the_first_folder_where_no_other_is_named(tmp_path):
    path, images = write(tmp_path, content(images=[image(1, "a.png")]))
    val = tmp_path / "v.json"
    val.write_text(json.dumps(content(images=[image(2, "b.png")])))
    samples = load(DataPaths(path, images, val))
    assert [sample.image_path for sample in samples.val] == [str(images / "b.png")]


def test_open_source_warns_of_images_in_both_files(tmp_path):
    path, images = write(tmp_path, content())
    stream = io.StringIO()
    load(DataPaths(path, images, path), log=events.JsonLog(stream))
    assert "2 images are in both files: what is measured on them says little about new images" in stream.getvalue()


@pytest.mark.parametrize(
    ("made", "paths", "message"),
    [
        (content(), {"images": None}, r"--images is missing: name the folder of the images that .*a\.json lists"),
        (content(), {"val_images": "."}, r"--val-images \. has no effect without --val-data"),
        (content(images=[image(1, "a.png")]), {}, r"a\.json has one image, which cannot both train and validate"),
        (content(annotation(1, segmentation=[[1, 2]]), annotation(2, segmentation=[[1]])), {},
         r"nothing can be learnt from .*a\.json: its 2 objects are all left out: 2 objects left out, the outline"),
        (content(annotation(1, iscrowd=1), annotation(2, iscrowd=1)), {},
         r"the 1 training images of .*a\.json have no object of a class to learn; choose another `seed`"),
        (content(categories=[{"id": 1, "name": "bg"}]), {},
         r"`categories` of .*a\.json has no class to learn besides the background 'bg'"),
        ({}, {}, r"a\.json is no COCO instance file: it needs a list `images`"),
        (content(images=[image(1, "a.png"), image(2, "x.png"), image(3, "y.png"), image(4, "z.png")]), {},
         r"too many images cannot be used: 3 of 4 are left out: 3 images left out, file not found"),
    ],
)  # fmt: skip
def test_open_source_refuses_in_one_line(tmp_path, made, paths, message):
    path, images = write(tmp_path, made)
    with pytest.raises(UserError, match=message) as caught:
        load(DataPaths(path, **{"images": images, **paths}))
    assert "\n" not in str(caught.value)


def test_load_samples_allows_more_left_out_where_the_config_does(tmp_path):
    images = [image(1, "a.png"), image(2, "b.png"), image(3, "x.png"), image(4, "y.png"), image(5, "z.png")]
    paths = DataPaths(*write(tmp_path, content(images=images)))
    with pytest.raises(UserError, match="3 of 5 are left out"):
        load(paths)
    assert len(load(paths, max_skipped_share=0.6).train) == 1


def test_list_images_reads_no_annotation(tmp_path):
    path, images = write(tmp_path, {"images": [image(1, "b.png"), image(2, "gone.png")]})
    found = coco.list_images(DataPaths(path, images))
    assert (found.base, found.paths) == (images, (images / "b.png",))
    assert found.warnings[0].startswith("1 image left out, file not found")
    with pytest.raises(UserError, match="--images is missing"):
        coco.list_images(DataPaths(path))


@pytest.mark.parametrize(
    ("name", "expected"), [("a.json", True), ("A.JSON", True), ("none.json", True), ("img", False), ("x.txt", False)]
)
def test_fits_json_files_alone(tmp_path, name, expected):
    write(tmp_path, content())
    (tmp_path / "A.JSON").touch()
    assert coco.fits(tmp_path / name) is expected


def test_open_source_has_the_figures_of_fields(tmp_path, monkeypatch):
    monkeypatch.setitem(FIELDS, "point", toy.Dot())
    made = content(annotation(1, point=[12, 20]), annotation(2, iscrowd=1, point=[5, 6]))
    path, images = write(tmp_path, made)
    first, second = (item.annotation.labels for item in coco.open_source(DataPaths(path, images)).items)
    assert [label.geometry.shape for label in (*first, *second)] == ["bitmap", "point", "bitmap", "point"]
    assert [label.has_tag("iscrowd") for label in (*first, *second)] == [False, False, True, True]
    assert first[0].extra == first[1].extra != second[1].extra == second[0].extra
    loaded = load_samples(coco.open_source(DataPaths(path, images, path)), Settings(fields=("point",)))
    assert [sample.extras["point"].tolist() for sample in loaded.train] == [[[12, 20]], [[5, 6]]]


def test_open_source_has_facts_of_images_and_classes(tmp_path):
    made = content(images=[{**image(1, "a.png"), "weather": "rain"}, image(2, "b.png")])
    path, images = write(tmp_path, made)
    other = path.with_name("b.json")
    other.write_text(json.dumps({**made, "categories": [{"id": 5, "name": "cat"}, {"id": 1, "name": "wolf"}]}))
    source = coco.open_source(DataPaths(path, images, other))
    assert [item.read_annotation(source.meta).extra for item in source.items[:2]] == [{"weather": "rain"}, {}]
    assert source.class_facts == {"cat": {"id": 1}, "dog": {"id": 2}, "wolf": {"id": 1}}


POINTS = {"segmentation": [], "point_coords": [[12, 11], [25, 28], [29, 10]], "point_labels": [1, 0, 1]}


def test_open_source_has_boxes_with_points(tmp_path):
    made = content(annotation(1, **POINTS), annotation(2, segmentation=None, bbox=[10.5, 10, 20, 20]))
    path, images = write(tmp_path, made)
    paths = DataPaths(path, images, path, fields=("mask_points",))
    loaded = load_samples(coco.open_source(paths), Settings(fields={"mask_points": MaskPoints(4)}))
    first, second = loaded.train
    assert [without_mask(sample) for sample in loaded.train] == [1, 1]
    assert first.extras["mask_points"].tolist() == [[[12.5, 11.5, 1], [25.5, 28.5, 0], [29.5, 10.5, 1], [0, 0, -1]]]
    assert second.extras["mask_points"].tolist() == [[[0, 0, -1]] * 4]
    boxes = [pipeline.ground_truth(sample).instances.boxes.tolist() for sample in (first, second)]
    assert boxes == [[[10, 10, 30, 30]], [[10, 10, 30, 31]]]  # 10.5 to 30.5 touches the columns 10 to 30


def test_open_source_of_boxes_with_points_is_the_converted_project(tmp_path):
    made = content(annotation(1, **POINTS), annotation(2, **POINTS, iscrowd=1), annotation(3, image_id=2))
    path, images = write(tmp_path, made)
    splits = [converter.Split("train", path, images), converter.Split("val", path, images)]
    converter.convert(splits, tmp_path / "project", events.JsonLog(io.StringIO()))
    fields = {"mask_points": MaskPoints(3)}
    sources = (
        supervisely.open_source(DataPaths(tmp_path / "project")),
        coco.open_source(DataPaths(path, images, path)),
    )
    found = [load_samples(source, Settings(fields=fields)).train for source in sources]
    for one, other in zip(*found, strict=True):
        truth, expected = pipeline.ground_truth(one).instances, pipeline.ground_truth(other).instances
        np.testing.assert_array_equal(truth.boxes, expected.boxes)
        np.testing.assert_array_equal(truth.ignore, expected.ignore)
        np.testing.assert_array_equal(truth.extras["mask_points"], expected.extras["mask_points"])
        assert without_mask(one) == without_mask(other)
    assert [without_mask(sample) for sample in found[0]] == [1, 0]
