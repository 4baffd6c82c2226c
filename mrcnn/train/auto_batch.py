"""Resolves `batch_size.train` auto: the largest power of two that fits into memory.

The trials train a network of their own, with random weights, on noise of the largest model input of the run with an
object in every slot: the run's own batches have no more. Of several devices, only the first one is tried, without the
memory that combining their gradients takes; validation is not tried.
"""

import gc
from collections.abc import Callable
from dataclasses import replace

from mrcnn.config.base import AUTO
from mrcnn.config.train import TrainConfig
from mrcnn.data import noise, pipeline, shapes
from mrcnn.errors import OutOfMemory, is_out_of_memory
from mrcnn.events import EventLog, SharedLog
from mrcnn.ops.backend.current import native
from mrcnn.train import build, devices, memory
from mrcnn.train.check import Checked, Start
from mrcnn.train.engine.current import engine
from mrcnn.train.state import TrainingState

MOST_GPU = 64  # images per device
MOST_CPU = 4  # few images use all cores; a larger batch takes memory and is no faster
SHARE = 0.8  # of a CPU's available memory that training may take
STEPS = 2  # of a trial; the second has the gradients' memory of the first beside its own

Trial = Callable[[int], object]  # trains on a batch of so many images per device


def settle(checked: Checked, *, log: EventLog, trial: Trial | None = None) -> Checked:
    """Replaces `batch_size.train` auto by a number and logs it; does nothing for a number.

    Args:
        checked: the settings, the samples and the devices.
        log: receives one line.
        trial: trains on a batch of a size; raises an out-of-memory error if it does not fit. None makes real trials.

    Raises:
        OutOfMemory: on a GPU, not even one image fits.
    """
    config = checked.config
    if config.batch_size.train != AUTO:
        return checked
    is_cpu = checked.devices.names[0].startswith("CPU")
    most = min(MOST_CPU if is_cpu else MOST_GPU, max(1, len(checked.samples.train) // checked.devices.count))
    size, reason = 1, f"the largest power of two that fits, at most {most}"
    if most > 1:
        log.info("trying batch sizes: this takes up to a few minutes")
        trial = trial or _Trial(checked)
        found = _largest_on_cpu(trial, most=most) if is_cpu else largest_fitting(trial, most=most)
        del trial
        gc.collect()
        if found is None:
            reason = "since this system does not report the memory of a process"
        elif found == 0 and is_cpu:
            reason = "though even that may not fit into the memory that is free"
        elif found == 0:
            raise OutOfMemory(
                f"`batch_size.train` auto: not even one image fits; lower `input_size.max_dim` "
                f"({config.input_size.max_dim}), or use a smaller model or another device"
            )
        size = found or 1
    log.info(f"batch size: {size} per device, {reason}; {_rate_line(config)}")
    return replace(checked, config=_with_size(config, size))


def largest_fitting(trial: Trial, *, most: int) -> int:
    """Doubles a batch from 1 until it does not fit.

    Args:
        trial: as for `settle`.
        most: the largest size that may be tried, at least 1.

    Returns:
        The largest power of two that fitted; 0 if none did.
    """
    size = 1
    while size <= most and _fits(trial, size):
        size *= 2
    return size // 2


def largest_within(peak: Callable[[int], int], *, available: int, most: int) -> int:
    """Extrapolates the memory of larger batches from that of one and of two images.

    Larger batches are not tried, since the system may end a process before an error is raised.

    Args:
        peak: trains on a batch of 1 or 2 images and returns the largest memory it took, bytes.
        available: memory that training may take, bytes.
        most: the largest size to return, at least 1.

    Returns:
        The largest power of two whose memory is within `available`; 0 if none is.
    """
    first = peak(1)
    if first > available:
        return 0
    if most < 2:
        return 1
    each, size = max(0, peak(2) - first), 1
    while 2 * size <= most and first + (2 * size - 1) * each <= available:
        size *= 2
    return size


def _largest_on_cpu(trial: Trial, *, most: int) -> int | None:
    """Finds the size as `largest_within` does; None where the memory of this process is unknown."""
    if not _fits(trial, 1):  # also builds the graph, whose memory must not count as that of the first batch
        return 0
    if native.COMPILES_STEPS and most > 1 and not _fits(trial, 2):  # JAX compiles for each size anew
        return 1
    can_reset, before, available = memory.reset_peak(), memory.peak(), memory.available()
    if not can_reset or before is None or available is None:
        return None

    def peak(size: int) -> int:
        trial(size)
        return (memory.peak() or before) - before

    try:
        return largest_within(peak, available=int(SHARE * available), most=most)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return 1


def _fits(trial: Trial, size: int) -> bool:
    try:
        trial(size)
    except Exception as error:
        # above one image, each error of the back end: cuDNN has several for too little memory
        if not (is_out_of_memory(error) or (size > 1 and isinstance(error, native.ERRORS))):
            raise
        return False
    return True


def _with_size(config: TrainConfig, size: int) -> TrainConfig:
    return config.model_copy(update={"batch_size": config.batch_size.model_copy(update={"train": size})})


def _rate_line(config: TrainConfig) -> str:
    reference = config.lr_schedule.reference_batch
    if reference is None:
        return f"`lr` {config.lr:g} is not scaled with it, `lr_schedule.reference_batch` would scale it"
    return f"`lr` {config.lr:g} is for a batch of {reference} and is scaled with it"


class _Trial:
    """Trains a network of its own on the first device."""

    def __init__(self, checked: Checked):
        config = _with_size(checked.config.model_copy(update={"weights_init_type": "random"}), 1)
        samples = checked.samples
        needs = shapes.needed(samples.train, config.training_size, fit=config.model.image_fit)
        self._input_hw = shapes.choose(needs)[-1]
        self._sizes = pipeline.sizes(config, samples.train, training=True)
        self._classes = max(samples.class_title_to_idx.values()) + 1
        self._network = build.build_network(
            config,
            samples.class_title_to_idx,
            chosen=devices.use(checked.devices.names[:1]),
            begin=Start(config=config, model=None, resumed=None, classes=None),
            state=TrainingState(epoch=0, step=0, steps_per_epoch=1, train_images=len(samples.train), seed=config.seed),
            log=SharedLog({}),
        )

    def __call__(self, size: int) -> None:
        batch = noise.noise_batch(self._sizes, self._input_hw, count=size, num_classes=max(2, self._classes))
        self._network.fit(engine.repeated(batch), steps_per_epoch=STEPS, epochs=1, shuffle=False, verbose=0)
