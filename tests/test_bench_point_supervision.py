import json

import pytest

from benchmarks import point_supervision
from mrcnn.project.reader import Project

MEASURED = {"box_ap": 0.5, "mask_ap": 0.25, "mask_ap50": 0.75, "mask_ap75": float("nan"), "images": 2}


@pytest.mark.parametrize("count", [0, 10])
def test_make_config_differs_in_the_supervision_alone(count, tmp_path):
    options = point_supervision.parse(["--out", str(tmp_path), "--epochs", "3"])
    config = point_supervision.make_config(count, options, seed=5)
    assert config.model.mask_supervision == ("points" if count else "masks")
    assert (config.seed, config.epochs, config.weights_init_type) == (5, 3, "random")
    assert (config.input_size.max_dim, config.model.class_agnostic_masks, config.model.mask_points) == (
        128,
        False,
        None,
    )


def test_make_config_of_a_preset_keeps_its_sizes_and_measures_once(tmp_path):
    options = point_supervision.parse(
        ["--out", str(tmp_path), "--config", "presets/nuclei_cpu.json", "--weights", "w.h5"]
    )
    config = point_supervision.make_config(20, options, seed=0)
    assert (config.input_size.max_dim, config.imagenet_weights, config.early_stopping) == (256, "w.h5", None)
    assert (config.epochs, config.validation.every_epochs, config.best_monitor) == (20, 20, "val_loss")


def test_main_measures_the_variants_in_turn(tmp_path, monkeypatch, capsys):
    trained = []

    def train(config, *, project_dir, output_dir, log):
        project = Project.open(project_dir)
        labels = project.items[0].read_annotation(project.meta).labels
        trained.append((labels[0].geometry.shape, len(labels[0].extra.get("point_coords", ())), output_dir.name))

    def evaluate(model, data, **settings):
        assert model.name == "last"
        assert data == tmp_path / "project"  # the masks of all
        return MEASURED

    monkeypatch.setattr(point_supervision, "train", train)
    monkeypatch.setattr(point_supervision.scoring, "evaluate_model", evaluate)
    sizes = ["--train", "2", "--val", "2", "--side", "64", "--seeds", "1", "2", "--points", "3"]
    point_supervision.main(["--out", str(tmp_path), *sizes])
    assert trained == [
        ("bitmap", 0, "masks-1"), ("rectangle", 3, "3-points-1"), ("bitmap", 0, "masks-2"),
        ("rectangle", 3, "3-points-2"),
    ]  # fmt: skip
    assert json.loads((tmp_path / "results.json").read_text())["3 points, 2"]["mask_ap75"] is None
    assert capsys.readouterr().out.splitlines()[-1] == "| 3 points, 2 | 0.500 | 0.250 | 0.750 | nan |"
