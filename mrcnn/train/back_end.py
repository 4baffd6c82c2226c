"""Refuses settings that need TensorFlow where Keras runs on another back end, before data is read."""

from mrcnn.config.train import TrainConfig
from mrcnn.errors import UserError
from mrcnn.ops.backend.current import native
from mrcnn.train.engine.current import engine


def check(config: TrainConfig) -> None:
    """Checks the settings of the optimizer, the compilation and the precision.

    Args:
        config: the settings.

    Raises:
        UserError: a setting needs TensorFlow, and the back end is another.
    """
    if engine.SEVERAL:
        return
    steps = config.optimizer.accumulation_steps
    if steps > 1:
        _refuse(f"`optimizer.accumulation_steps` {steps}", fix="set it to 1")
    if config.jit_compile and not native.COMPILES_STEPS:
        _refuse("`jit_compile` true", fix="set it to false")
    if config.precision == "mixed_float16":
        _refuse("`precision` mixed_float16", fix="use float32 or mixed_bfloat16")


def _refuse(what: str, *, fix: str) -> None:
    raise UserError(f"{what} needs TensorFlow, but Keras runs on {native.NAME}: {fix}")
