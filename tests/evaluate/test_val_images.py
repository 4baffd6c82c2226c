"""The validation images of an evaluation are those of a training with the model's settings."""

import json

import pytest

from mrcnn.data.sources import samples, table
from mrcnn.data.sources.source import DataPaths, Settings
from mrcnn.errors import UserError
from mrcnn.evaluate import val_images
from mrcnn.predict import sources
from tests.data.sources.test_formats import labelme
from tests.predict import helpers


def write_model(folder, **settings):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"settings": settings}))
    return folder


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_chosen_are_those_that_a_training_draws(tmp_path, seed):
    labelme(tmp_path / "data", 10)
    paths, settings = DataPaths(tmp_path / "data"), val_images.settings_of(write_model(tmp_path / "m", seed=seed))
    found = val_images.chosen(sources.open_annotated(paths), paths, settings)
    drawn = samples.load_samples(table.open_source(paths), Settings(seed=seed)).val
    assert len(found.entries) == 2  # a fifth
    assert {str(entry.path) for entry in found.entries} == {str(sample.image_path) for sample in drawn}


def test_chosen_of_a_project_have_the_tag_of_the_model(tmp_path):
    root = helpers.write_scored_project(tmp_path)
    paths, source = DataPaths(root), sources.open_project(root)
    tags = {"train": "val", "val": "val"}
    settings = val_images.settings_of(write_model(tmp_path / "m", dataset_tags=tags))
    found = val_images.chosen(source, paths, settings)
    assert [entry.name for entry in found.entries] == [entry.name for entry in sources.with_tag(source, "val").entries]
    with pytest.raises(UserError, match="none"):
        val_images.chosen(source, paths, settings._replace(val_tag="none"))


@pytest.mark.parametrize("content", ["", "[]", '{"settings": 3}', '{"settings": {"dataset_tags": 1, "seed": null}}'])
def test_settings_of_a_model_that_states_none_are_the_defaults(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    assert val_images.settings_of(tmp_path) == Settings()
    assert val_images.settings_of(tmp_path / "weights.h5") == Settings()


def test_settings_of_the_config(tmp_path):
    special = {"background": "none", "neutral": "void"}
    tags = {"train": "a", "val": "b"}
    model = write_model(tmp_path / "m", seed=7, special_classes=special, dataset_tags=tags)
    assert val_images.settings_of(model) == Settings("a", "b", "none", "void", seed=7)


def test_warning_reads_the_record_of_the_run_through_the_link(tmp_path):
    labelme(tmp_path / "pets", 5)
    source = sources.open_annotated(DataPaths(tmp_path / "pets"))
    write_model(tmp_path / "run" / "00000002")
    (tmp_path / "run" / "best").symlink_to("00000002")
    assert val_images.warning(tmp_path / "run" / "best", source) is None
    (tmp_path / "run" / "run.json").write_text('{"data": {"name": "pets"}}')
    for model in (tmp_path / "run" / "best", tmp_path / "run"):
        assert val_images.warning(model, source).startswith("all 5 images of pets are evaluated")
    (tmp_path / "run" / "run.json").write_text('{"data": {"name": "cars"}}')
    assert val_images.warning(tmp_path / "run" / "best", source) is None
