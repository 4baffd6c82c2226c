import json

from mrcnn.report.evaluation import training
from mrcnn.report.evaluation.training import Run

CONTENT = {
    "settings": {"epochs": 5, "lr": 0.001, "batch_size": {"train": 2, "val": 1}, "seed": 9},
    "model": {"backbone": "resnet50", "family": "matterport"},
}


def write_run(folder, *, history="epoch,loss,val_loss,val_mask_ap,train_seconds\n1,2.0,3.0,,30\n2,1.0,2.0,0.25,90\n"):
    for name in ("00000000", "00000001"):
        (folder / name / "model_weights").mkdir(parents=True)
        (folder / name / "config.json").write_text(json.dumps(CONTENT))
        (folder / name / "model_weights" / "model.h5").write_bytes(b"")
    (folder / "best").symlink_to("00000001")
    if history is not None:
        (folder / "history.csv").write_text(history)
    return folder


def test_find_run_of_a_run_its_link_and_a_checkpoint(tmp_path):
    root = write_run(tmp_path / "run")
    for path, epoch in ((root, 2), (root / "best", 2), (root / "00000000", 1)):
        found = training.find_run(path)
        assert (found.epoch, len(found.rows), found.content) == (epoch, 2, CONTENT)
    weights = root / "00000000" / "model_weights" / "model.h5"
    assert training.find_run(weights).epoch == 1


def test_find_run_without_a_run(tmp_path):
    assert training.find_run("coco") == Run({})
    assert training.find_run(tmp_path / "w.h5") == Run({})
    alone = write_run(tmp_path / "run", history=None)
    assert training.find_run(alone).rows == ()
    (tmp_path / "broken").mkdir()
    assert training.find_run(write_run(tmp_path / "broken", history="epoch,loss\n1,much\n")).rows == ()


def test_find_run_of_a_moved_model_does_not_know_its_epoch(tmp_path):
    root = write_run(tmp_path / "run")
    (root / "00000001").rename(tmp_path / "cats")
    assert training.find_run(tmp_path / "cats").epoch is None


def test_settings_lists_what_is_not_the_default():
    found = training.settings(Run(CONTENT))
    assert '<th scope="row">seed</th><td>9</td><td>0</td>' in found
    assert '<th scope="row">epochs</th><td>5</td><td>2</td>' in found
    assert '<th scope="row">lr</th>' in found  # the default, but always shown
    assert '<th scope="row">batch_size.val</th>' not in found
    assert '<th scope="row">model.backbone</th>' in found  # the default is resnet101
    assert "<details>" in found
    assert "no config.json of a training" in training.settings(Run({}))


def test_settings_of_an_unknown_family():
    assert "model.family" in training.settings(Run({"settings": {}, "model": {"family": "of tomorrow"}}))


def test_settings_escapes_values():
    found = training.settings(Run({"settings": {"<b>": "</pre><script>"}}))
    assert "<script" not in found
    assert "<b>" not in found


def test_learning_draws_losses_and_measures(tmp_path):
    found = training.learning(training.find_run(write_run(tmp_path / "run")))
    assert found.count('<svg class="chart"') == 2
    assert found.count(">this model</text>") == 2
    assert "mask AP: 2, 0.25" in found
    assert "2 epochs, 2 min of training" in found
    assert "There is no history.csv" in training.learning(Run({}))
