import json

import numpy as np
import pytest

from benchmarks import accuracy
from mrcnn.config.train import TrainConfig
from mrcnn.data import pipeline
from mrcnn.data.skipped import Skipped
from tests.train import tiny


@pytest.fixture
def config():
    flips = [{"name": "Fliplr", "args": {"p": 0.5}}]
    return TrainConfig(**{**tiny.CONFIG, "augmentation": flips, "train_layers": "3+"})


@pytest.fixture
def project(tmp_path):
    return tiny.write_project(tmp_path / "project")


def unpacked(stored, slot):
    shape = (len(stored[f"boxes{slot}"]), *stored[f"image{slot}"].shape[:2])
    return np.unpackbits(stored[f"masks{slot}"], count=int(np.prod(shape))).reshape(shape)


def test_the_other_side_gets_the_images_that_ours_trains_on(project, config, tmp_path):
    samples = accuracy.read_samples(config, project)
    accuracy.write_images(samples, config, tmp_path / "out")
    steps = sorted((tmp_path / "out" / "train").iterdir())
    assert len(steps) == 4  # 2 epochs of 4 images, 2 a step
    dataset, _ = pipeline.train_dataset(samples.train, config, batch_size=2, skipped=Skipped(4))
    for path, batch in zip(steps, dataset.take(4), strict=True):
        with np.load(path) as stored:
            assert int(stored["count"]) == 2
            for slot in (0, 1):
                # 48 x 64 pixels in a model input of 64 x 64: eight rows of padding above and below
                assert np.array_equal(stored[f"image{slot}"], batch["images"][slot, 8:56].numpy())
                boxes = batch["gt_boxes"][slot].numpy()[batch["gt_valid"][slot].numpy()]
                assert np.array_equal(stored[f"boxes{slot}"] + [8, 0, 8, 0], boxes)
                y1, x1, y2, x2 = stored[f"boxes{slot}"][0].astype(int)
                mask = unpacked(stored, slot)[0]
                assert mask.sum() == mask[y1:y2, x1:x2].sum() > 0
    assert len(list((tmp_path / "out" / "val").iterdir())) == 3


def test_the_true_objects_score_one_and_nothing_scores_zero(project, config, tmp_path):
    samples = accuracy.read_samples(config, project)
    (tmp_path / "detections").mkdir()
    for found, expected in ((slice(None), 1.0), (slice(0), 0.0)):
        for index, sample in enumerate(samples.val):
            height, width, instances = pipeline.ground_truth(sample)
            masks = np.zeros((len(instances.boxes), height, width), bool)
            for canvas, box, mask in zip(masks, instances.boxes.astype(int), instances.masks, strict=True):
                canvas[box[0] : box[2], box[1] : box[3]] = mask
            np.savez_compressed(
                tmp_path / "detections" / f"{index:04d}.npz",
                boxes=instances.boxes[found],
                class_ids=instances.class_ids[found],
                scores=np.full(len(masks), 0.9)[found],
                masks=np.packbits(masks[found]),
            )
        metrics = accuracy.score(samples, tmp_path)
        assert [metrics[name] for name in ("box_ap", "box_ap75", "mask_ap", "mask_ap50", "box_iou", "mask_iou")] == (
            pytest.approx([expected] * 6)
        )


def test_both_sides_share_the_numbers(project, config):
    settings = accuracy.torchvision_settings(config, accuracy.read_samples(config, project))
    assert json.loads(json.dumps(settings)) == settings | {"image_mean": [123.7, 116.8, 103.9]}
    assert (settings["classes"], settings["side"], settings["trained_stages"], settings["clip"]) == (3, 64, 3, 5.0)
    clipped = accuracy.with_clip(config, 2.5)
    assert accuracy.torchvision_settings(clipped, accuracy.read_samples(clipped, project))["clip"] == 2.5
    assert accuracy.with_clip(config, None) is config
    assert settings["bfloat16"] is False
    reduced = config.model_copy(update={"precision": "mixed_bfloat16"})
    assert accuracy.torchvision_settings(reduced, accuracy.read_samples(reduced, project))["bfloat16"] is True


def test_the_losses_of_a_step_come_out_of_the_means():
    losses = accuracy.Losses()
    losses.on_epoch_begin(0)
    for batch, mean in enumerate((4.0, 3.0, 3.0)):  # of 4; 4, 2; 4, 2, 3
        losses.on_train_batch_begin(batch)
        losses.on_train_batch_end(batch, {"loss": 9.0, "rpn_bbox_loss": mean, "l2_loss": 0.1})
    losses.on_epoch_begin(1)
    losses.on_train_batch_end(0, {"loss": 9.0, "rpn_bbox_loss": 1.0, "l2_loss": 0.1})
    assert losses.steps == [{"rpn_bbox_loss": value} for value in (4.0, 2.0, 3.0, 1.0)]


def test_the_table_gives_mean_and_range():
    runs = [
        {"seed": seed, "seconds": 10 * seed, "metrics": dict.fromkeys(accuracy.METRICS, 0.5 + 0.1 * seed), "losses": []}
        for seed in (0, 1)
    ]
    lines = accuracy.table({"ours": runs}).splitlines()
    assert lines[1].split() == ["ours", "0", *["0.500"] * 8, "0"]
    assert lines[3].split() == ["ours", "mean", *["0.550"] * 8, "5"]
    assert lines[4].split() == ["ours", "range", *["0.100"] * 8, "10"]


def test_losses_are_shown_as_means_over_parts():
    steps = [{"a": float(number)} for number in range(10)]
    lines = accuracy.loss_table({"ours": [{"losses": steps}]}).splitlines()
    assert lines[1].split() == ["1", "to", "2", "a", "0.500"]
    assert lines[5].split() == ["9", "to", "10", "a", "8.500"]


def test_the_other_sides_learning_rate_is_ours():
    pytest.importorskip("torch", reason="torchvision's side has an environment of its own")
    from benchmarks import accuracy_torchvision
    from mrcnn.train.schedule import Schedule

    ours = Schedule(1.0, name="cosine", warmup_steps=30, total_steps=100, final_fraction=0.02)
    settings = {"warmup_steps": 30, "final_fraction": 0.02}
    got = [accuracy_torchvision.rate(step, 100, settings) for step in range(100)]
    assert got == pytest.approx([float(ours(step)) for step in range(100)], abs=1e-6)
