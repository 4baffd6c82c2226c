"""The records of a source."""

from pathlib import Path

from mrcnn.config.train import TrainConfig
from mrcnn.data.sources.source import PROJECT, DataPaths, Settings, Source
from mrcnn.project.meta import ProjectMeta


def test_settings_are_by_default_those_of_a_train_config():
    config, settings = TrainConfig(), Settings()
    assert (settings.train_tag, settings.val_tag) == (config.dataset_tags.train, config.dataset_tags.val)
    assert (settings.background, settings.neutral) == (
        config.special_classes.background,
        config.special_classes.neutral,
    )
    assert (settings.max_skipped_share, settings.seed) == (config.max_skipped_share, config.seed)


def test_data_paths_may_be_texts():
    assert DataPaths("a.json", "images", val_images="b") == DataPaths(Path("a.json"), Path("images"), None, Path("b"))
    assert DataPaths("a.json").data.suffix == ".json"


def test_data_paths_and_source_need_few_fields(tmp_path):
    assert DataPaths(tmp_path) == DataPaths(tmp_path, None, None, None)
    source = Source("x", ProjectMeta(), (), lambda items, annotations, settings: None)
    assert (source.kind, source.classes_in, source.left_out) == (PROJECT, "the project's meta.json", 0)
