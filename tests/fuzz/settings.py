"""Damaged configs: of training, inference and service, and of a model folder."""

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.config import load
from mrcnn.model_folder.read import read_model
from tests.fuzz.mutations import mutate_bytes, mutate_json

PRESETS = Path(__file__).parents[2] / "presets"
LOADERS = {
    "train": load.load_train_config,
    "inference": load.load_inference_config,
    "deploy": load.load_deploy_config,
}
MODEL_FOLDER = {
    "settings": {
        "input_size": {"min_dim": 64, "max_dim": 64},
        "special_classes": {"background": "bg", "neutral": "fog"},
    },
    "classes": [
        {"title": "cat", "shape": "bitmap", "color": "#00FF00", "geometry_config": {}},
        {"title": "dog", "shape": "bitmap", "color": "#FF0000"},
    ],
    "class_title_to_idx": {"bg": 0, "cat": 1, "dog": 2},
    "model": {"backbone": "resnet50", "anchor_sizes": [8, 16, 32, 64, 128], "mask_size": 14},
}


@functools.cache
def presets() -> list[tuple[str, Any]]:
    """Returns (kind, content) of the presets that are whole configs."""
    kinds = ((path, path.stem.split("_")[0]) for path in sorted(PRESETS.glob("*.json")))
    return [
        (kind if kind in LOADERS else "train", json.loads(path.read_text()))
        for path, kind in kinds
        if kind != "predefined"
    ]


def load_config(rng: np.random.Generator) -> None:
    """Loads a damaged preset."""
    kind, content = presets()[int(rng.integers(0, len(presets())))]
    with tempfile.TemporaryDirectory() as folder:
        path = _write(Path(folder) / "config.json", content, rng)
        LOADERS[kind](path)


def read_model_folder(rng: np.random.Generator) -> None:
    """Reads a model folder whose config.json is damaged."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder) / "config.json", MODEL_FOLDER, rng)
        read_model(folder)


def _write(path: Path, content: Any, rng: np.random.Generator) -> Path:
    if rng.random() < 0.7:
        path.write_bytes(json.dumps(mutate_json(content, rng)).encode())
    else:
        path.write_bytes(mutate_bytes(json.dumps(content).encode(), rng))
    return path
