import json

import numpy as np
import pytest

from mrcnn import demo, events
from mrcnn.annotate import draw
from mrcnn.config import load
from mrcnn.images import pixels as images
from mrcnn.predict import sources
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta
from mrcnn.project.writer import ProjectWriter
from mrcnn.structures import Detections


class _SquareFinder:
    """Finds the same square in every image."""

    def predict(self, images):
        height, width = images[0].shape[:2]
        mask = np.zeros((1, height, width), bool)
        mask[0, 8:24, 8:24] = True
        box = np.array([[8, 8, 24, 24]], "float32")
        return [Detections(box, np.array([1], "int32"), ("coin",), np.array([0.9], "float32"), mask)]


def _source(tmp_path, sizes):
    with ProjectWriter(tmp_path / "p", ProjectMeta((), (), {})) as writer:
        for index, size in enumerate(sizes):
            picture = draw.encode(np.full((*size, 3), 90, np.uint8), ".png")
            writer.add("d", f"{index}.png", picture, annotation=Annotation(size))
    return sources.open_project(tmp_path / "p")


def test_overlay_stacks_the_pictures_with_a_white_gap(tmp_path):
    path = tmp_path / "overlay.png"
    demo.draw_overlay(_SquareFinder(), _source(tmp_path, [(300, 400), (200, 350)]), path)
    got = images.read_image(path)
    scale = got.shape[1] // 400  # small pictures are enlarged by whole numbers
    assert got.shape == (500 * scale + demo.GAP, 400 * scale, 3)
    assert (got[300 * scale : 300 * scale + demo.GAP] == 255).all()
    assert (got[: 300 * scale] != 90).any()


@pytest.mark.parametrize("preset", [demo.TRAIN_PRESET, demo.INFERENCE_PRESET])
def test_presets_of_the_demo_exist(preset):
    assert json.loads(preset.read_text())


def test_demo_trains_from_random_weights_on_every_layer():
    config = load.load_train_config(demo.TRAIN_PRESET)
    assert (config.weights_init_type, config.train_layers, config.model.batch_norm) == ("random", "all", "trained")


def test_demo_leaves_out_the_export_on_another_back_end(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo.keras.config, "backend", lambda: "jax")
    monkeypatch.setattr(demo.startup, "load", lambda module: pytest.fail(module))
    demo.export_model(tmp_path / "model", tmp_path / "saved", images=tmp_path, log=events.make_log("json"))
    assert "saved is not written: export needs TensorFlow, and Keras runs on jax" in capsys.readouterr().err
    assert not (tmp_path / "saved").exists()


@pytest.mark.slow
def test_the_whole_way_in_one_short_epoch(tmp_path, monkeypatch, capsys):
    preset = json.loads(demo.TRAIN_PRESET.read_text()) | {"epochs": 1}
    preset["input_size"] = {"min_dim": 64, "max_dim": 64}
    monkeypatch.setattr(demo, "TRAIN_PRESET", tmp_path / "short.json")
    (tmp_path / "short.json").write_text(json.dumps(preset))
    kept = tmp_path / "out" / "mine.txt"
    kept.parent.mkdir()
    kept.write_text("not the demo's")
    (tmp_path / "out" / "results").mkdir()
    demo.main(tmp_path / "out", events.make_log("json"))
    assert kept.read_text() == "not the demo's"
    assert json.loads((tmp_path / "out" / "saved_model" / "verify.json").read_text())["passed"] is True
    assert len(list((tmp_path / "out" / "results" / "coins" / "coins" / "ann").iterdir())) == 2
    assert images.read_image(tmp_path / "out" / "overlay.png").any()
    assert "mask_ap50" in capsys.readouterr().err
