"""Chooses the devices that a model runs on, before the back end initializes them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mrcnn.errors import UserError
from mrcnn.ops.backend.current import native

AUTO = "auto"
Warn = Callable[[str], Any]


class Messages(NamedTuple):
    """What a user reads about a choice of GPUs.

    Attributes:
        absent: format of the error where the machine lacks some of the GPUs: `{missing}` is the list of their numbers,
            `{first}` the first of them, `{count}` the number of GPUs of the machine, `{last}` the largest number.
        late: format of the error where the back end already uses other devices: `{error}` is its own.
        no_gpu: warning where the machine has no GPU; None for no warning.
    """

    absent: str
    late: str
    no_gpu: str | None = None


def has_gpu() -> bool:
    """Checks whether the back end finds a GPU on this machine, visible or not."""
    return bool(native.gpus())


def choose_device(device: int | str | None, *, warn: Warn) -> None:
    """Makes one GPU, or none, visible to the back end; see `show_gpus`.

    Args:
        device: "cpu", the number of a GPU, "auto" for the first GPU or else the CPU, or None to keep the back end's
            own choice.
        warn: called with one line if a GPU number is given but the machine has no GPU; the CPU is used then.

    Raises:
        UserError: `device` is another word, the machine has GPUs but none of this number, or the back end is
            already initialized with other devices.
    """
    if device is None:
        return
    is_number = device not in ("cpu", AUTO)
    if is_number and not str(device).isdigit():
        raise UserError(f'the device must be "cpu" or the number of a GPU, got {device!r}')
    index = int(device) if is_number else 0
    messages = Messages(
        absent="GPU {first} was asked for but there are {count}; use 0..{last}",
        late=f"device {device} must be chosen before {native.NAME} is first used; choose it earlier",
        no_gpu=f"GPU {index} was asked for but {native.NAME} finds no GPU: running on the CPU" if is_number else None,
    )
    show_gpus([] if device == "cpu" else [index], messages, warn=warn)


def show_gpus(numbers: Sequence[int], messages: Messages, *, warn: Warn) -> int:
    """Makes the given GPUs visible to the back end, with memory growth, and hides all others.

    Args:
        numbers: the numbers of the GPUs, each once; none for the CPU.
        messages: of the warning and the errors.
        warn: called with one line where GPUs are given but the machine has none; the CPU is used then.

    Returns:
        How many GPUs are visible.

    Raises:
        UserError: the machine has GPUs, but not all of the given ones; or the back end already uses others.
    """
    physical = native.gpus()
    if not physical:
        if numbers and messages.no_gpu:
            warn(messages.no_gpu)
        numbers = []
    if missing := [number for number in numbers if number >= len(physical)]:
        raise UserError(
            messages.absent.format(missing=missing, first=missing[0], count=len(physical), last=len(physical) - 1)
        )
    wanted = [physical[number] for number in numbers]
    try:
        native.show_gpus(wanted)
    except RuntimeError as error:  # TensorFlow fixes its devices at the first computation
        raise UserError(messages.late.format(error=error)) from error
    return len(wanted)
