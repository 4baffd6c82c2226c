import inspect

import keras
import numpy as np
import pytest

from mrcnn.data import streams, tf_stream, thread_stream


@pytest.mark.parametrize(
    ("back_end", "file"), [("tensorflow", "tf_stream"), ("jax", "thread_stream"), ("torch", "thread_stream")]
)
def test_current_is_that_of_the_back_end(monkeypatch, back_end, file):
    monkeypatch.setattr(keras.config, "backend", lambda: back_end)
    assert streams.current().__name__ == f"mrcnn.data.{file}"


@pytest.mark.parametrize("kind", [tf_stream, thread_stream])
@pytest.mark.parametrize("name", ["endless", "one_pass"])
def test_each_kind_has_the_interface(kind, name):
    def parameters(function):
        return [
            (each.name, each.kind) for each in inspect.signature(function).parameters.values() if each.name != "self"
        ]

    assert parameters(getattr(kind, name)) == parameters(getattr(streams.Streams, name))


@pytest.mark.parametrize(
    ("asked", "processors", "expected"), [(3, 2, 3), (None, 2, 2), (None, None, 1), (None, 64, 16)]
)
def test_worker_count(monkeypatch, asked, processors, expected):
    monkeypatch.setattr(streams.os, "cpu_count", lambda: processors)
    assert streams.worker_count(asked) == expected


def test_arrays_converts_each_field():
    tensors = [{"a": keras.ops.convert_to_tensor(np.int32([number]))} for number in range(2)]
    found = list(streams.arrays(tensors))
    assert [batch["a"].tolist() for batch in found] == [[0], [1]]
    assert all(isinstance(batch["a"], np.ndarray) for batch in found)
    assert list(streams.arrays([])) == []
