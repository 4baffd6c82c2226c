"""A cascade of box heads through training, resuming, fine-tuning, inference, export and service, with a real model."""

import csv
import json
import shutil

import cv2
import numpy as np
import pytest
import requests

from mrcnn.annotate import run as annotating
from mrcnn.config.load import load_inference_config, load_train_config
from mrcnn.errors import UserError
from mrcnn.export import run as exporting
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.project.reader import Project
from mrcnn.train import run as training
from mrcnn.weights import hdf5
from tests import projects
from tests.serve import helpers
from tests.train import tiny
from tests.train.conftest import HeardLog
from tests.train.test_real_model import execute, read

MODEL = {**tiny.CONFIG["model"], "box_head": "cascade", "score_threshold": 0.0}
CONFIG = {**tiny.CONFIG, "epochs": 1, "model": MODEL}
LOSSES = [
    f"{prefix}{name}{stage}"
    for prefix in ("", "val_")
    for name in ("mrcnn_class_loss", "mrcnn_bbox_loss")
    for stage in ("", "_stage2", "_stage3")
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return tiny.write_project(tmp_path_factory.mktemp("made") / "project")


@pytest.fixture(scope="module")
def trained(project, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained")
    training.train(load_train_config(CONFIG), project_dir=project, output_dir=output, log=HeardLog())
    return output


@pytest.fixture(scope="module")
def predictor(trained):
    return Predictor.load(trained)


def weights_of(folder):
    with hdf5.read_file(folder / "model_weights" / "model.h5") as file:
        return {name: value[()] for layer in file.layers.values() for name, value in layer.items()}


def rows_of(output):
    with (output / "history.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_train_records_the_losses_of_each_stage(trained):
    (row,) = rows_of(trained)
    assert set(LOSSES) <= set(row)
    assert all(float(row[name]) >= 0 for name in LOSSES)
    assert float(row["mrcnn_class_loss_stage3"]) > 0
    parts = [float(value) for name, value in row.items() if name.endswith("loss") or "_loss_stage" in name]
    ours = [float(row[name]) for name in row if name.startswith(("rpn_", "mrcnn_", "l2_"))]
    assert float(row["loss"]) == pytest.approx(sum(ours), rel=1e-4)  # each at weight 1
    assert len(parts) == 22


@pytest.mark.slow
def test_train_stores_the_cascade_in_the_model_folder(trained, predictor):
    content = json.loads((trained / "last" / "config.json").read_text())
    assert content["model"]["box_head"] == "cascade"
    assert predictor.bundle.config.is_cascade
    (found,) = predictor.predict([tiny.draw(0)[0]])
    assert found.boxes.shape == (len(found.scores), 4)
    assert len(found.scores) > 0


@pytest.mark.slow
def test_train_resumes_a_cascade(trained, project, tmp_path):
    shutil.copytree(trained, tmp_path / "out", symlinks=True)
    config = load_train_config({**CONFIG, "epochs": 2})
    training.train(config, project_dir=project, output_dir=tmp_path / "out", resume=True, log=HeardLog())
    assert len(rows_of(tmp_path / "out")) == 2


def fine_tune(start, project, output, **settings):
    log = HeardLog()
    config = load_train_config({**tiny.CONFIG, "epochs": 1, "lr": 1e-12, **settings})
    training.train(config, project_dir=project, output_dir=output, model=str(start), log=log)
    return weights_of(output / "last"), log


@pytest.mark.slow
def test_train_continues_a_cascade_with_the_stages_of_its_start_weights(trained, project, tmp_path):
    before = weights_of(trained / "last")
    model = {"score_threshold": 0.0}  # the config names no box head
    after, log = fine_tune(trained, project, tmp_path, weights_init_type="continue_training", model=model)
    assert any('`box_head` "cascade"' in line for line in log.messages)
    assert set(after) == set(before)
    name = "mrcnn_class_conv1_stage3/kernel:0"
    np.testing.assert_allclose(after[name], before[name], atol=1e-6)


@pytest.mark.slow
def test_train_transfers_a_cascade_but_for_the_layers_of_its_classes(trained, project, tmp_path):
    before = weights_of(trained / "last")
    after, log = fine_tune(trained, project, tmp_path, weights_init_type="transfer_learning", model={})
    new = ["mrcnn_mask", *(f"mrcnn_{name}{stage}" for name in ("class_logits", "bbox_fc")
                           for stage in ("", "_stage2", "_stage3"))]  # fmt: skip
    for name, value in before.items():
        if name.endswith("kernel:0"):
            same = np.allclose(after[name], value, atol=1e-6)
            assert same == (name.split("/")[0] not in new), name
    assert any("excluded on request: 7 layers" in line for line in log.messages)


@pytest.mark.slow
def test_train_starts_a_cascade_from_a_model_with_one_box_head(project, tmp_path):
    single = {**MODEL, "box_head": "single"}
    training.train(
        load_train_config({**CONFIG, "model": single}), project_dir=project, output_dir=tmp_path / "one", log=HeardLog()
    )
    before = weights_of(tmp_path / "one" / "last")
    assert not [name for name in before if "_stage" in name]
    after, log = fine_tune(
        tmp_path / "one",
        project,
        tmp_path / "two",
        weights_init_type="transfer_learning",
        model={"box_head": "cascade"},
    )
    np.testing.assert_allclose(after["mrcnn_class_conv1/kernel:0"], before["mrcnn_class_conv1/kernel:0"], atol=1e-6)
    assert any("missing in the file" in line and "mrcnn_class_conv1_stage2" in line for line in log.messages)
    with pytest.raises(UserError, match="mrcnn_bbox_fc"):  # one box for each class there
        fine_tune(
            tmp_path / "one", project, tmp_path / "three", weights_init_type="continue_training",
            model={"box_head": "cascade"},
        )  # fmt: skip


@pytest.mark.slow
def test_train_weighs_the_losses_of_stages_by_name(project, tmp_path):
    config = load_train_config({**CONFIG, "model": {**MODEL, "loss_weights": {"mrcnn_bbox_loss_stage2": 0.0}}})
    training.train(config, project_dir=project, output_dir=tmp_path, log=HeardLog())
    (row,) = rows_of(tmp_path)
    names = [name for name in row if name.startswith(("rpn_", "mrcnn_", "l2_")) and "bbox_loss_stage2" not in name]
    assert float(row["loss"]) == pytest.approx(sum(float(row[name]) for name in names), rel=1e-4)
    wrong = load_train_config({**CONFIG, "model": {**MODEL, "loss_weights": {"mrcnn_bbox_loss_stage4": 0.0}}})
    with pytest.raises(UserError, match="'mrcnn_bbox_loss_stage4' is no loss of this model"):
        training.train(wrong, project_dir=project, output_dir=tmp_path / "wrong", log=HeardLog())


@pytest.mark.slow
@pytest.mark.parametrize("mode", projects.MODES)
def test_apply_runs_a_cascade_in_every_mode(predictor, tmp_path, mode):
    source = projects.make_every_shape(tmp_path / "source")
    summary = annotating.apply(
        predictor, sources.open_project(source), tmp_path / "out",
        config=load_inference_config(projects.mode_config(mode)), log=HeardLog(), options=annotating.Options(),
    )  # fmt: skip
    assert summary.skipped == []
    assert len(Project.open(tmp_path / "out").items) == len(Project.open(source).items) == summary.images


@pytest.mark.slow
def test_service_answers_with_the_detections_of_a_cascade(predictor):
    image = tiny.draw(0)[0]
    with helpers.running(predictor) as service:
        encoded = cv2.imencode(".png", image[..., ::-1])[1].tobytes()
        annotation = requests.post(f"{service.url}/model/inference", files={"image": encoded}, timeout=60).json()
    (found,) = predictor.predict([image])
    assert len(annotation["objects"]) == sum(bool(mask.any()) for mask in found.masks) > 0


@pytest.mark.slow
def test_export_of_a_cascade_detects_the_same(trained, tmp_path):
    (tmp_path / "in").mkdir()
    for index in (0, 1):
        cv2.imwrite(str(tmp_path / "in" / f"{index}.png"), tiny.draw(index)[0])
    found = exporting.export(trained, tmp_path / "out", log=HeardLog(), images=tmp_path / "in", score_threshold=0.0)
    assert all(proof.paired for proof in found.proofs)
    assert not any(proof.failures for proof in found.proofs)


@pytest.mark.slow
def test_train_of_a_cascade_on_two_devices_equals_one_on_the_same_global_batch(tmp_path):
    execute(
        """
model = {**tiny.CONFIG["model"], "box_head": "cascade"}
for names, batch in ((["CPU:0"], 4), (["CPU:0", "CPU:1"], 2)):
    devices.choose = lambda gpu_devices, warn: devices.use(names)
    train(project, root / str(len(names)), epochs=1, batch_size={"train": batch, "val": 2}, model=model,
          optimizer={"global_clipnorm": 1.0})
""",
        tmp_path,
        TF_ENABLE_ONEDNN_OPTS="0",  # oneDNN rounds batches of different sizes otherwise
    )
    (weights, state, rows), (other_weights, other_state, other_rows) = read(tmp_path / "1"), read(tmp_path / "2")
    assert set(LOSSES) <= set(rows[0])
    for name in LOSSES:
        np.testing.assert_allclose(float(other_rows[0][name]), float(rows[0][name]), rtol=1e-4, err_msg=name)
    every, other = (np.concatenate([value.ravel() for value in part.optimizer[1:]]) for part in (state, other_state))
    assert np.linalg.norm(other - every) <= 1e-3 * np.linalg.norm(every)
    for name, value in weights.items():
        np.testing.assert_allclose(other_weights[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
