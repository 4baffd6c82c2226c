"""Damaged HDF5 files: weight files by name, ImageNet weights, and the state of a training."""

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mrcnn.structures import ResNetRules
from mrcnn.train import state as states
from mrcnn.train.state import TrainingState
from mrcnn.weights import apply, hdf5, imagenet, inspect
from tests.fuzz.mutations import mutate_bytes, mutate_json, odd_value

LAYERS = {
    "conv1": {"kernel": (3, 3, 3, 4), "bias": (4,)},
    "bn_conv1": {"gamma": (4,), "beta": (4,), "moving_mean": (4,), "moving_variance": (4,)},
    "mrcnn_class_logits": {"kernel": (5, 2), "bias": (2,)},
}
DTYPES = ("<f4", "<f8", "<i8", "S7", "<c8", h5py.string_dtype(), h5py.ref_dtype, np.dtype([("a", "<f4")]))


class Variable:
    """An array with the interface of a Keras variable."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape
        self.values = np.ones(shape, np.float32)

    def numpy(self) -> np.ndarray:
        """Returns the values."""
        return self.values

    def assign(self, values: np.ndarray) -> None:
        """Assigns values of the same shape."""
        assert values.shape == self.shape
        assert np.isfinite(values).all()


def layout() -> hdf5.Layout:
    """Returns the layers of a small network with their variables."""
    return [
        (layer, [(f"{layer}/{kind}:0", Variable(shape)) for kind, shape in weights.items()])
        for layer, weights in LAYERS.items()
    ]


@functools.cache
def weight_file() -> bytes:
    """Returns the bytes of a good weight file."""
    with tempfile.TemporaryDirectory() as folder:
        hdf5.write_file(Path(folder) / "model.h5", layout())
        return (Path(folder) / "model.h5").read_bytes()


@functools.cache
def state_file() -> bytes:
    """Returns the bytes of a good training state."""
    state = TrainingState(
        epoch=2, step=1, steps_per_epoch=3, train_images=6, seed=0,
        rows=({"epoch": 1, "val_loss": 0.5}, {"epoch": 2, "val_loss": float("nan")}),
        optimizer=(np.int64(7), np.ones((2, 3), np.float32)),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        states.write(Path(folder) / states.FILE, state)
        return (Path(folder) / states.FILE).read_bytes()


def read_weights(rng: np.random.Generator) -> None:
    """Loads a damaged weight file in every way that there is."""
    with tempfile.TemporaryDirectory() as folder:
        path = _damaged(Path(folder) / "model.h5", weight_file(), rng)
        way = int(rng.integers(0, 3))
        if way == 0:
            apply.load_into(layout(), path)
        elif way == 1:
            with hdf5.read_file(path) as file:
                inspect.lines(str(path), inspect.facts_of(file))
        else:
            imagenet.load_imagenet(layout(), path, ResNetRules("resnet50"))


def read_state(rng: np.random.Generator) -> None:
    """Reads a damaged training state."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / states.FILE
        if rng.random() < 0.4:
            path.write_bytes(state_file())
            with h5py.File(path, "r+") as file:
                fields = mutate_json(json.loads(bytes(file["state"][()])), rng)
                del file["state"]
                file["state"] = np.bytes_(json.dumps(fields).encode())
        else:
            _damaged(path, state_file(), rng)
        state = states.read(path)
        states.put_back([Variable(()), Variable((2, 3))], state.optimizer, what="optimizer")


def _damaged(path: Path, good: bytes, rng: np.random.Generator) -> Path:
    if rng.random() < 0.5:
        path.write_bytes(mutate_bytes(good, rng))
        return path
    path.write_bytes(good)
    with h5py.File(path, "r+") as file:
        for _ in range(int(rng.integers(1, 4))):
            _change(file, rng)
    return path


def _change(file: h5py.File, rng: np.random.Generator) -> None:
    """Replaces one object or attribute of a file by another kind of it."""
    names: list[str] = []
    file.visit(names.append)
    if not names:
        return
    name = names[int(rng.integers(0, len(names)))]
    match int(rng.integers(0, 8)):
        case 0:
            del file[name]
        case 1:
            del file[name]
            file.create_group(f"{name}/inside")
        case 2:
            del file[name]
            file[name] = (h5py.SoftLink("/conv1"), h5py.ExternalLink("/etc/hostname", "/x"))[int(rng.integers(0, 2))]
        case 3:
            del file[name]
            file.create_dataset(name, tuple(rng.integers(0, 2**20, int(rng.integers(0, 4)))), _dtype(rng), chunks=None)
        case 4:
            del file[name]
            file.create_dataset(name, (4,), "<f4", external=[("/etc/hostname", 0, 16)])
        case 5:
            del file[name]
            file[name] = h5py.Empty("<f4")
        case _:
            owner = file if rng.random() < 0.5 else file[name]
            keys = [*owner.attrs, "layer_names", "weight_names", "keras_version"]
            _set(owner, keys[int(rng.integers(0, len(keys)))], rng)


def _set(owner: h5py.Group | h5py.Dataset, key: str, rng: np.random.Generator) -> None:
    value: Any = odd_value(rng)
    if isinstance(value, dict | list) or value is None:
        value = (h5py.Empty("S1"), np.arange(3), np.array([owner.file.ref], h5py.ref_dtype))[int(rng.integers(0, 3))]
    if isinstance(value, int) and abs(value) >= 2**63:
        value = 2**40
    if isinstance(value, str):
        value = value.encode(errors="replace").replace(b"\0", b"0")
    owner.attrs[key] = value


def _dtype(rng: np.random.Generator) -> Any:
    return DTYPES[int(rng.integers(0, len(DTYPES)))]
