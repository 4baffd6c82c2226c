import json

import pytest

from benchmarks import unseen_masks
from mrcnn.project.reader import Project

GROUP = {"box_ap": 0.5, "mask_ap": 0.25, "mask_ap50": 0.75, "mask_ap75": float("nan")}


@pytest.mark.parametrize("variant", unseen_masks.VARIANTS)
def test_make_config_differs_in_head_and_boxes_alone(variant, tmp_path):
    options = unseen_masks.parse(["--out", str(tmp_path), "--epochs", "3"])
    config = unseen_masks.make_config(variant, options, seed=5)
    assert (config.model.mask_head, config.model.mask_train_boxes) == variant
    assert (config.model.class_agnostic_masks, config.allowed_mask_classes) == (True, ("blob", "stick"))
    assert config.model.mask_size == (28 if variant.mask_head == "fcn" else 32)
    assert (config.seed, config.epochs, config.weights_init_type) == (5, 3, "random")


def test_main_measures_the_variants_in_turn(tmp_path, monkeypatch, capsys):
    trained = []

    def train(config, *, project_dir, output_dir, log):
        assert len(Project.open(project_dir).items) == 4
        trained.append((config.model.mask_head, config.seed, output_dir.name))

    def evaluate(model, data, **settings):
        assert model.name == "last"
        return {"box_ap": 0.4, "groups": {"seen": GROUP, "unseen": {**GROUP, "mask_ap": 0.125}}, "mask_ap": 0.2}

    monkeypatch.setattr(unseen_masks, "train", train)
    monkeypatch.setattr(unseen_masks.scoring, "evaluate_model", evaluate)
    sizes = ["--train", "2", "--val", "2", "--side", "64", "--seeds", "1", "2"]
    unseen_masks.main(["--out", str(tmp_path), *sizes, "--variant", "hourglass20-ground_truth"])
    name = "hourglass20-ground_truth"
    assert trained == [("hourglass20", 1, f"{name}-1"), ("hourglass20", 2, f"{name}-2")]
    found = json.loads((tmp_path / "results.json").read_text())
    assert found[f"{name}, 2"]["unseen"]["mask_ap"] == 0.125
    assert found[f"{name}, 1"]["seen"]["mask_ap75"] is None
    row = f"| {name}, 2 | 0.500 | 0.250 | 0.750 | nan | 0.500 | 0.125 | 0.750 | nan |"
    assert capsys.readouterr().out.splitlines()[-1] == row


def test_main_draws_all_classes_in_both_sets(tmp_path):
    folder = tmp_path / "project"
    unseen_masks.scenes.make_scenes(folder, train=12, val=12, side=64, seed=0, kinds=(unseen_masks.scenes.MIXED,))
    project = Project.open(folder)
    titles = {"train": set(), "val": set()}
    for item in project.items:
        annotation = item.read_annotation(project.meta)
        titles[annotation.tags[0].name] |= {label.class_title for label in annotation.labels}
    assert titles == {name: set(unseen_masks.scenes.CLASSES) for name in titles}
