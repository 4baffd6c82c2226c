"""A small run as its card sees it."""

import json

from mrcnn.card.contents import Contents
from mrcnn.card.facts import BestFacts, ClassCounts, DataFacts, Gpu, Machine, Process, RunFacts
from mrcnn.config.card import CardTexts

CONFIG = {
    "settings": {
        "lr": 0.01, "epochs": 3, "batch_size": {"train": 2, "val": 1}, "precision": "mixed_bfloat16",
        "input_size": {"min_dim": 512, "max_dim": 1024, "shape": "rectangle"}, "weights_init_type": "imagenet",
        "augmentation": [{"name": "fliplr", "probability": 0.5}], "sampling": None,
    },
    "class_title_to_idx": {"bg": 0, "cat": 2, "dog_1": 1},
    "model": {"family": "torchvision", "backbone": "resnet50", "image_mean": [123.7, 116.8, 103.9],
              "weight_decay": 0.0001, "loss_weights": {"rpn_class_loss": 1.0}},
}  # fmt: skip
CLASSES = {
    "dog_1": ClassCounts(train_objects=600, train_images=300, val_objects=60, val_images=40),
    "cat": ClassCounts(train_objects=20, train_images=20, val_objects=0, val_images=0),
}
DATA = DataFacts(
    name="pets", train_images=300, val_images=60, classes=CLASSES, smallest=(480, 640), largest=(1200, 1600)
)
MACHINE = Machine(cpu="Some CPU", cores=8, memory_gb=64.2, gpus=(Gpu(name="Some GPU", watts=300.0),) * 2)
BEST = BestFacts(
    epoch=2,
    metrics={"box_ap": 0.5, "box_ap50": 0.75, "box_ap_small": None, "box_ap_medium": 0.4, "box_ap_large": 0.6,
             "mask_ap": 0.25, "mask_ap_small": None, "mask_ap_medium": 0.2, "mask_ap_large": 0.3},
    per_class={"dog_1": {"objects": 60.0, "box_ap": 0.5, "box_ap50": 0.75, "mask_ap": 0.25, "mask_ap50": 0.5},
               "cat": {"objects": 0.0, "box_ap": None, "box_ap50": None, "mask_ap": None, "mask_ap50": None}},
    score_threshold=0.7,
)  # fmt: skip
FACTS = RunFacts(
    data=DATA,
    parameters=44_000_000,
    trained_parameters=43_000_000,
    software={"keras": "3.15.1"},
    processes=(
        Process(began="2026-11-28T20:00:00+00:00", seconds=5400.0, epochs=2, machine=MACHINE),
        Process(began="2026-11-29T20:00:00+00:00", seconds=1800.0, epochs=1, machine=MACHINE),
    ),
    best=BEST,
)
ROWS = (
    {"epoch": 1.0, "val_box_ap": 0.4, "train_seconds": 900.0, "images_per_second": 2.0},
    {"epoch": 2.0, "val_box_ap": 0.5, "train_seconds": 300.0, "images_per_second": 6.0},
    {"epoch": 3.0, "val_box_ap": 0.45, "train_seconds": 500.0, "images_per_second": 4.0},
)


def contents(folder, **changes):
    fields = {
        "folder": folder / "run" / "00000001", "config": CONFIG, "weights_bytes": 176_000_000, "run": folder / "run",
        "epoch": 2, "rows": ROWS, "facts": FACTS,
    }  # fmt: skip
    return Contents(**{**fields, **changes})


def texts(**values):
    return CardTexts(**values)


def write_run(folder, *, facts=FACTS, rows=ROWS):
    """Writes the output folder of a run with two checkpoints; the second one is the best."""
    for name in ("00000000", "00000001"):
        (folder / name / "model_weights").mkdir(parents=True)
        (folder / name / "model_weights" / "model.h5").write_bytes(b"x" * 1_000_000)
        (folder / name / "config.json").write_text(json.dumps(CONFIG))
    (folder / "best").symlink_to("00000001")
    if facts is not None:
        (folder / "run.json").write_text(json.dumps(facts.model_dump(mode="json")))
    if rows:
        names = list(rows[0])
        lines = [",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)]
        (folder / "history.csv").write_text("\n".join(lines) + "\n")
    return folder
