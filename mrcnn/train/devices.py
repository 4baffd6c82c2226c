"""Chooses the devices of a run and sets a model up for several devices.

`batch_size.train` is per device: n devices, of one process or of several, share a batch of n times as many images. Each
device computes its share of the whole batch's losses, so the gradients add up to those of one device with the whole
batch.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from mrcnn.data.share import Share
from mrcnn.errors import UserError
from mrcnn.model_folder import device, precision
from mrcnn.model_folder.device import Messages
from mrcnn.models import keras_internals
from mrcnn.ops import reduction
from mrcnn.ops.backend.current import native
from mrcnn.train.engine.current import engine
from mrcnn.train.workers import peers, rendezvous
from mrcnn.train.workers.cluster import Cluster
from mrcnn.train.workers.peers import Peers

UNKNOWN_TO_XLA = (10, 0)  # compute capability of NVIDIA's Blackwell: TensorFlow 2.21 aborts there (tensorflow#111958)


@dataclass(frozen=True)
class Devices:
    """The devices a run computes on.

    Attributes:
        names: of this process's devices, e.g. `("GPU:0", "GPU:1")`, numbered among those it uses.
        strategy: TensorFlow's, by which the devices share a batch; None for one device.
        peers: the processes that share a batch.
    """

    names: tuple[str, ...]
    strategy: Any = None
    peers: Peers = peers.ALONE

    @property
    def count(self) -> int:
        """Number of devices that share a batch, those of all processes."""
        return len(self.names) * self.peers.count

    @property
    def share(self) -> Share:
        """This process's part of each batch."""
        return Share(self.peers.index, self.peers.count, len(self.names)) if self.peers.count > 1 else Share()

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Context in which variables are created on all devices."""
        with self.strategy.scope() if self.strategy else contextlib.nullcontext():
            yield


def choose(gpu_devices: Sequence[int] | None, *, warn: Callable[[str], Any]) -> Devices:
    """Makes the listed GPUs visible, with memory growth, or falls back to the CPU.

    Args:
        gpu_devices: numbers of GPUs from the config; duplicates count once. None where the config has no list: the
            first GPU, or the CPU without a warning.
        warn: called with one line when GPUs are listed and there is none.

    Raises:
        UserError: there are GPUs, but not all of those listed; this process already uses others; or several are listed
            and the back end is not TensorFlow.
    """
    return use(_visible(gpu_devices, warn=warn))


def join(
    gpu_devices: Sequence[int] | None, cluster: Cluster, *, warn: Callable[[str], Any], note: Callable[[str], Any]
) -> Devices:
    """Chooses this process's devices as `choose` does, and joins the other workers of the run.

    Args:
        gpu_devices: as for `choose`, the same in each worker; numbers of the GPUs that a worker can see.
        cluster: the workers, at least two.
        warn: as for `choose`.
        note: called with one line by the chief before it waits.

    Raises:
        UserError: as for `choose`; or the workers do not all start, or disagree.
    """
    if not engine.SEVERAL:
        raise UserError(f"training in several processes needs TensorFlow, but Keras runs on {native.NAME}")
    names = tuple(_visible(gpu_devices, warn=warn))
    rendezvous.wait_for_all(cluster, devices=len(names), note=note)
    strategy = peers.start(cluster)
    return Devices(names=names, strategy=strategy, peers=Peers(cluster, strategy))


def _visible(gpu_devices: Sequence[int] | None, *, warn: Callable[[str], Any]) -> list[str]:
    wanted = [0] if gpu_devices is None else list(dict.fromkeys(gpu_devices))
    warning = f"no GPU found: `gpu_devices` {wanted} has no effect, the CPU is used"
    messages = Messages(
        absent="`gpu_devices` lists {missing}, but this machine has {count} GPU(s); use numbers in 0..{last}",
        late="`gpu_devices` cannot change within one process: {error}",
        no_gpu=None if gpu_devices is None else warning,
    )
    count = device.show_gpus(wanted, messages, warn=warn)
    return [f"GPU:{index}" for index in range(count)] or ["CPU:0"]


def use(names: Sequence[str]) -> Devices:
    """Builds `Devices` from names of devices; several devices share each batch, which needs TensorFlow."""
    strategy = engine.mirrored(names) if len(names) > 1 else None
    return Devices(names=tuple(names), strategy=strategy)


def lacks_bfloat16(devices: Devices, *, cpu_info: Path = precision.CPU_INFO) -> bool:
    """Checks whether the run is on a CPU without bfloat16 instructions.

    Such a CPU emulates bfloat16, which is far slower than float32.

    Args:
        devices: the devices of the run.
        cpu_info: Linux's description of the CPU; without that file the result is False.
    """
    return devices.names[0].startswith("CPU") and precision.cpu_has_bfloat16(cpu_info) is False


def check_xla(devices: Devices) -> None:
    """Checks that XLA can compile the training step for the devices of a run.

    Raises:
        UserError: there are several devices, whose counts are summed inside the step; or a GPU of a compute capability
            for which TensorFlow's XLA has no code, so that it would end the process.
    """
    if devices.count > 1:
        where = "in `gpu_devices`" if devices.peers.count == 1 else f"of {devices.peers.count} workers"
        raise UserError(f"`jit_compile` needs one device, got {devices.count} {where}; set it to false")
    if native.COMPILES_STEPS:  # JAX, whose XLA is its own
        return
    for gpu in native.visible_gpus() if devices.names[0].startswith("GPU") else ():
        if (found := precision.capability(gpu)) >= UNKNOWN_TO_XLA:
            raise UserError(
                f"`jit_compile` must be false on a GPU of compute capability {found[0]}.{found[1]}: the XLA of this "
                f"TensorFlow knows none from {UNKNOWN_TO_XLA[0]}.{UNKNOWN_TO_XLA[1]} on and ends the process"
            )


def attach(model: keras.Model, devices: Devices) -> None:
    """Makes a model's losses count over all devices; does nothing on a single device.

    Args:
        model: a model that was built in `devices.scope()`.
        devices: the devices of the run.
    """
    if devices.strategy is None:
        return
    _share(model, replica_sum=_sum_over_devices, num_replicas=devices.count)
    # Keras would build the model again from a batch averaged over the devices, which fails for booleans
    keras_internals.skip_symbolic_build(model)


@contextlib.contextmanager
def alone(model: keras.Model) -> Iterator[None]:
    """Context in which the model's losses count on one device only, as in validation.

    Functions that use the model must be traced inside.
    """
    before = (model.replica_sum, model.num_replicas)
    _share(model, replica_sum=reduction.identity, num_replicas=1)
    try:
        yield
    finally:
        _share(model, replica_sum=before[0], num_replicas=before[1])


def _share(model: keras.Model, *, replica_sum: reduction.Across, num_replicas: int) -> None:
    model.replica_sum = replica_sum
    model.num_replicas = num_replicas


def _sum_over_devices(count):
    return engine.sum_over_devices([count])[0]
