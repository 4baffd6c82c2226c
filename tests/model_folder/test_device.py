"""The choice of a device, without touching TensorFlow's own."""

import pytest
import tensorflow as tf

from mrcnn.errors import UserError
from mrcnn.model_folder import device


@pytest.fixture
def machine(monkeypatch):
    """Pretends to be a machine with two GPUs; `visible` is what was chosen."""
    state = {"gpus": ["gpu:0", "gpu:1"], "visible": ["gpu:0", "gpu:1"], "growth": []}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: state["gpus"])
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: state["visible"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda wanted, kind: state.update(visible=wanted))
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: state["growth"].append(gpu))
    return state


@pytest.mark.parametrize(
    ("asked", "visible"),
    [(0, ["gpu:0"]), ("1", ["gpu:1"]), ("cpu", []), ("auto", ["gpu:0"]), (None, ["gpu:0", "gpu:1"])],
)
def test_choose_device_one_device_is_made_visible(machine, asked, visible):
    lines = []
    device.choose_device(asked, warn=lines.append)
    assert machine["visible"] == visible
    assert machine["growth"] == (visible if asked is not None else [])
    assert lines == []


def test_choose_device_machine_without_gpu_warns_once_and_uses_the_cpu(machine):
    machine.update(gpus=[], visible=[])
    lines = []
    device.choose_device(0, warn=lines.append)
    device.choose_device("cpu", warn=lines.append)
    assert lines == ["GPU 0 was asked for but TensorFlow finds no GPU: running on the CPU"]


def test_choose_device_machine_without_gpu_is_fine_where_none_is_named(machine):
    machine.update(gpus=[], visible=[])
    device.choose_device("auto", warn=pytest.fail)
    assert machine["visible"] == []


def test_choose_device_gpu_that_is_not_there(machine):
    with pytest.raises(UserError, match=r"GPU 2 was asked for but there are 2; use 0\.\.1"):
        device.choose_device(2, warn=print)


@pytest.mark.parametrize("asked", ["gpu", "-1", ""])
def test_choose_device_other_words_are_refused(machine, asked):
    with pytest.raises(UserError, match='must be "cpu" or the number of a GPU'):
        device.choose_device(asked, warn=print)


MESSAGES = device.Messages("no {missing}, {first}, of {count}, up to {last}", "late: {error}", "no GPU")


@pytest.mark.parametrize("numbers", [[1], [0, 1], [1, 0], []])
def test_show_gpus_makes_several_visible_in_order(machine, numbers):
    assert device.show_gpus(numbers, MESSAGES, warn=pytest.fail) == len(numbers)
    assert machine["visible"] == machine["growth"] == [f"gpu:{number}" for number in numbers]


def test_show_gpus_lets_the_memory_of_gpus_grow_that_are_visible_already(machine):
    assert device.show_gpus([0, 1], MESSAGES, warn=pytest.fail) == 2
    assert machine["growth"] == ["gpu:0", "gpu:1"]


def test_show_gpus_messages(machine, monkeypatch):
    with pytest.raises(UserError, match=r"^no \[2, 3\], 2, of 2, up to 1$"):
        device.show_gpus([0, 2, 3], MESSAGES, warn=pytest.fail)

    def refuse(*_):
        raise RuntimeError("in use")

    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", refuse)
    assert device.show_gpus([0, 1], MESSAGES, warn=pytest.fail) == 2  # as they are already
    monkeypatch.setattr(tf.config, "set_visible_devices", refuse)
    with pytest.raises(UserError, match=r"^late: in use$"):
        device.show_gpus([0], MESSAGES, warn=pytest.fail)
    machine.update(gpus=[], visible=[])
    lines = []
    for numbers in ([0, 1], []):
        assert device.show_gpus(numbers, MESSAGES, warn=lines.append) == 0
    assert lines == ["no GPU"]


def test_choose_device_too_late(machine, monkeypatch):
    def refuse(wanted, kind):
        raise RuntimeError("already initialized")

    monkeypatch.setattr(tf.config, "set_visible_devices", refuse)
    device.choose_device(None, warn=print)
    with pytest.raises(UserError, match="must be chosen before TensorFlow is first used"):
        device.choose_device("cpu", warn=print)
    machine["visible"] = ["gpu:1"]
    device.choose_device(1, warn=print)  # chosen before: nothing to do
    assert machine["visible"] == ["gpu:1"]


def test_has_gpu_counts_invisible_ones(machine):
    machine.update(visible=[])
    assert device.has_gpu()
    machine.update(gpus=[])
    assert not device.has_gpu()
