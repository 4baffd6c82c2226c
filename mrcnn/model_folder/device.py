"""Chooses the device that the model runs on, before TensorFlow initializes its devices."""

from collections.abc import Callable

import tensorflow as tf

from mrcnn.errors import UserError

AUTO = "auto"
Warn = Callable[[str], None]


def choose_device(device: int | str | None, *, warn: Warn) -> None:
    """Makes one GPU, or none, visible to TensorFlow.

    Args:
        device: "cpu", the number of a GPU, "auto" for the first GPU or else the CPU, or None to keep TensorFlow's own
            choice.
        warn: called with one line if a GPU number is given but the machine has no GPU; the CPU is used then.

    Raises:
        UserError: `device` is another word, the machine has GPUs but none of this number, or TensorFlow is already
            initialized with other devices.
    """
    if device is None:
        return
    gpus = tf.config.list_physical_devices("GPU")
    wanted = _wanted(device, gpus, warn)
    if tf.config.get_visible_devices("GPU") == wanted:
        return
    try:
        tf.config.set_visible_devices(wanted, "GPU")
        for gpu in wanted:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        raise UserError(f"device {device} must be chosen before TensorFlow is first used; choose it earlier") from error


def _wanted(device: int | str, gpus: list, warn: Warn) -> list:
    if device == "cpu":
        return []
    if device == AUTO:
        return gpus[:1]
    if not str(device).isdigit():
        raise UserError(f'the device must be "cpu" or the number of a GPU, got {device!r}')
    index = int(device)
    if not gpus:
        warn(f"GPU {index} was asked for but TensorFlow finds no GPU: running on the CPU")
        return []
    if index >= len(gpus):
        raise UserError(f"GPU {index} was asked for but there are {len(gpus)}; use 0..{len(gpus) - 1}")
    return [gpus[index]]
