"""Builds the section of a model card about the training."""

import json
import math
from collections.abc import Mapping
from typing import Any

from mrcnn.card.contents import Contents, mapping
from mrcnn.card.facts import DataFacts
from mrcnn.card.markdown import UNKNOWN, escaped, items, table
from mrcnn.errors import counted

MOST_CLASSES = 100  # rows of a table
REGIMES = {
    "float32": "fp32",
    "mixed_bfloat16": "bf16 mixed precision",
    "mixed_float16": "fp16 mixed precision",
}
STARTS = {
    "transfer_learning": "another detector's weights, without the layers that depend on the classes",
    "continue_training": "another detector's weights",
    "imagenet": "a ResNet trained on ImageNet; the other layers at random",
    "random": "random weights",
}
KEYS = (  # of the train config, in the order of the table
    "train_layers", "epochs", "batch_size", "lr", "lr_schedule", "optimizer", "augmentation", "copy_paste",
    "scale_jitter", "sampling", "early_stopping", "seed",
)  # fmt: skip


def data(contents: Contents) -> str:
    """Describes the training data and its split: numbers of images, and of objects by class."""
    parts = [contents.texts.training_data] if contents.texts.training_data else []
    if contents.facts is None:
        return "\n\n".join(parts) or UNKNOWN
    found = contents.facts.data
    name = f" of {escaped(found.name)}" if found.name else ""
    parts.append(
        f"{counted(found.train_images, 'training image')} and {counted(found.val_images, 'validation image')}{name}"
        f"{_ignored(found)}."
    )
    if found.classes:
        parts.append(_class_table(found))
    return "\n\n".join(parts)


def preprocessing(contents: Contents) -> str:
    """Describes how an image is prepared for the network."""
    sizes, model = mapping(contents.settings.get("input_size")), contents.model
    if not sizes:
        return UNKNOWN
    shape = "padded to a square" if sizes.get("shape") != "rectangle" else "padded to a rectangle"
    lines = [
        "Images are turned upright by their EXIF data, and resized so that the shorter side has "
        f"{sizes.get('min_dim')} pixels and the longer side at most {sizes.get('max_dim')}, then {shape} "
        "(`input_size`).",
    ]
    if mean := model.get("image_mean"):
        std = model.get("image_std")
        divided = f" and divided by {_shown(std)}" if std else ""
        lines.append(f"The mean {_shown(mean)} of the channels' values 0 to 255 is subtracted{divided}.")
    if augmentation := contents.settings.get("augmentation"):
        lines.append(f"Training images are changed at random by {_shown(augmentation)} (`augmentation`).")
    return " ".join(lines)


def regime(contents: Contents) -> str:
    """Names the number format of the training, in the words of the Hub's template."""
    return REGIMES.get(str(contents.settings.get("precision")), UNKNOWN)


def hyperparameters(contents: Contents) -> str:
    """Builds the table of the settings that differ from run to run; the rest is in config.json."""
    settings = contents.settings
    if not settings:
        return UNKNOWN
    rows: list[tuple[str, str]] = [("start weights", start(contents))]
    rows += [(f"`{key}`", _shown(settings[key])) for key in KEYS if settings.get(key) not in (None, [], {})]
    if (decay := contents.model.get("weight_decay")) is not None:
        rows.append(("`model.weight_decay` (L2 term of the loss)", _shown(decay)))
    rows.append(("epochs made", str(len(contents.rows)) if contents.rows else UNKNOWN))
    rows.append(("epoch of these weights", str(contents.epoch) if contents.epoch else UNKNOWN))
    rest = "All settings are in `config.json`, as `settings` and `model`."
    return f"{table(('setting', 'value'), rows, numbers=False)}\n\n{rest}"


def speeds(contents: Contents) -> str:
    """Describes speed, time and sizes."""
    pairs = []
    seconds = [row["train_seconds"] for row in contents.rows if "train_seconds" in row]
    rates = [row["images_per_second"] for row in contents.rows if "images_per_second" in row]
    if seconds:
        pairs.append(("Seconds per epoch", f"{_median(seconds):.3g} (median, without validation)"))
    if rates:
        pairs.append(("Images per second", f"{_median(rates):.3g} in training (median of the epochs)"))
    if contents.facts and contents.facts.processes:
        began = contents.facts.processes[0].began
        pairs.append(("Start", f"{escaped(began[:10])}, {contents.facts.hours:.3g} hours in all"))
    for column, what in (("memory_peak_gb", "Memory"), ("gpu_memory_peak_gb", "GPU memory")):
        if peaks := [row[column] for row in contents.rows if column in row]:
            pairs.append((what, f"{max(peaks):.1f} GB at most"))
    if contents.weights_bytes is not None:
        pairs.append(("Weight file", f"{contents.weights_bytes / 1e6:.1f} MB"))
    if contents.facts and contents.facts.parameters is not None:
        trained = contents.facts.trained_parameters
        more = "" if trained is None else f", {trained:,} of them trained"
        pairs.append(("Parameters", f"{contents.facts.parameters:,}{more}"))
    return items(pairs) or UNKNOWN


def _ignored(found: DataFacts) -> str:
    return f"; {counted(found.ignored, 'region')} to ignore (crowds, neutral objects)" if found.ignored else ""


def _class_table(found: DataFacts) -> str:
    head = ("class", "training objects", "in images", "validation objects", "in images")
    rows = [
        (escaped(title), *map("{:,}".format, (one.train_objects, one.train_images, one.val_objects, one.val_images)))
        for title, one in found.classes.items()
    ]
    more = f"\n\n{len(rows) - MOST_CLASSES} more classes are not shown." if len(rows) > MOST_CLASSES else ""
    return table(head, rows[:MOST_CLASSES]) + more


def start(contents: Contents) -> str:
    """Describes the weights that the training began with."""
    kind = str(contents.settings.get("weights_init_type"))
    return f"{STARTS.get(kind, UNKNOWN)} (`{kind}`)" if kind in STARTS else UNKNOWN


def _shown(value: Any) -> str:
    if isinstance(value, float) and not value.is_integer():
        return f"{value:g}"
    if isinstance(value, Mapping) and isinstance(name := value.get("name"), str) and "args" in value:  # an augmenter
        args = _shown([part for key, part in value.items() if key != "name" and part])
        return f"{escaped(name)} ({args})" if args else escaped(name)
    if isinstance(value, Mapping):
        return ", ".join(f"{escaped(key)} {_shown(item)}" for key, item in value.items() if item not in (None, [], {}))
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return escaped(value if isinstance(value, str) else json.dumps(value))


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = (len(ordered) - 1) / 2
    return (ordered[math.floor(middle)] + ordered[math.ceil(middle)]) / 2
