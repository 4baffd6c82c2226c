"""Damaged weight files of other frameworks: whole files, and pickles inside of good archives."""

import functools
import pickle
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import safetensors.numpy

from mrcnn.weights import state_dict
from tests.fuzz.mutations import mutate_bytes
from tests.weights import torch_examples

ARRAYS = {"conv1_w": np.ones((2, 2, 2), np.float32), "conv1_b": np.arange(2, dtype=">i8")}


@functools.cache
def good_files() -> tuple[bytes, ...]:
    """Returns the bytes of a good file of each form."""
    content = {"model": ARRAYS, "__author__": "a", "matching_heuristics": True}
    return (
        *((torch_examples.FOLDER / name).read_bytes() for name in torch_examples.FIXTURES),
        *(pickle.dumps(content, protocol) for protocol in (2, 3, 4)),
        safetensors.numpy.save({name: values.astype(np.float32) for name, values in ARRAYS.items()}),
    )


@functools.cache
def good_programs() -> tuple[tuple[bytes, dict[str, bytes]], ...]:
    """Returns the pickle and the storages of each good archive."""
    found = []
    for name in ("state.pth", "checkpoint.pth"):
        with zipfile.ZipFile(torch_examples.FOLDER / name) as file:
            keys = [member for member in file.namelist() if "/data/" in member]
            storages = {member.rpartition("/")[2]: file.read(member) for member in keys}
            root = keys[0].partition("/")[0]
            found.append((file.read(f"{root}/data.pkl"), storages))
    return tuple(found)


def read(rng: np.random.Generator) -> None:
    """Reads a damaged file, half of the time an archive whose checksums are right."""
    if rng.random() < 0.5:
        programs = good_programs()
        program, storages = programs[int(rng.integers(0, len(programs)))]
        data = torch_examples.archive(mutate_bytes(program, rng), storages)
    else:
        examples = good_files()
        data = mutate_bytes(examples[int(rng.integers(0, len(examples)))], rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pth"
        path.write_bytes(data)
        state_dict.is_state_dict(path)
        state_dict.read_state_dict(path)
