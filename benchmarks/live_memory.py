"""Lists the tensors in memory at the peak of a training step or a detection, on a CPU.

    python -m benchmarks.live_memory --case train-512x512x2

The cases are those of `benchmarks.peers`. TensorFlow's own trace of allocations is read, which exists for one of its
CPU allocators only, so that one is chosen by an environment variable. The peak is that of tensors; the process needs
more memory, for the code of the packages, the graph, and gaps between tensors.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import peers_work

MEGABYTE = 1e6
NAMES = ("MemoryAllocation", "MemoryDeallocation")


class Event(NamedTuple):
    """An allocation or its end.

    Attributes:
        time: in picoseconds.
        total: bytes in use afterwards, of all tensors.
        address: of the memory.
        bytes: of the allocation; 0 for the end of one.
        shape: of the tensor, as text.
        operation: that made it.
    """

    time: int
    total: int
    address: int
    bytes: int
    shape: str
    operation: str


def at_peak(events: Iterable[Event]) -> tuple[int, list[Event]]:
    """Finds the largest total, and what was allocated since the start of the trace and still in use there.

    Args:
        events: in any order.

    Returns:
        Bytes of all tensors, also those from before the trace; the allocations, the largest first.
    """
    used: dict[int, Event] = {}
    peak, found = 0, []
    for event in sorted(events):
        if event.bytes:
            used[event.address] = event
        else:
            used.pop(event.address, None)
        if event.total > peak:
            peak, found = event.total, list(used.values())
    return peak, sorted(found, key=lambda event: -event.bytes)


def table(peak: int, allocations: Sequence[Event], *, rows: int) -> str:
    """Formats the peak and its largest tensors."""
    lines = [f"peak of the tensors: {peak / 1e9:.2f} GB", f"{'MB':>8}  shape, operation"]
    lines += [f"{each.bytes / MEGABYTE:>8.1f}  {each.shape} {each.operation}" for each in allocations[:rows]]
    return "\n".join(lines)


def traced(call: Callable[[], Any], folder: Path) -> list[Event]:
    """Runs a call under TensorFlow's profiler and reads its allocations.

    Args:
        call: the work.
        folder: for the profiler's files.
    """
    import tensorflow as tf  # noqa: PLC0415 -- the environment variable counts when it is imported

    tf.profiler.experimental.start(str(folder))
    call()
    tf.profiler.experimental.stop()
    [path] = folder.glob("**/*.xplane.pb")
    return read(path.read_bytes())


def read(data: bytes) -> list[Event]:
    """Reads the allocations of a profile in TensorFlow's XSpace format."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2  # noqa: PLC0415

    space = xplane_pb2.XSpace.FromString(data)
    found = []
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                if plane.event_metadata[event.metadata_id].name in NAMES:
                    facts = {plane.stat_metadata[each.metadata_id].name: _value(plane, each) for each in event.stats}
                    begun = plane.event_metadata[event.metadata_id].name == NAMES[0]
                    found.append(
                        Event(
                            line.timestamp_ns * 1000 + event.offset_ps,
                            int(facts["bytes_allocated"]),
                            int(facts["addr"]),
                            int(facts["allocation_bytes"]) if begun else 0,
                            str(facts.get("shape", "")),
                            str(facts.get("tf_op", "")),
                        )
                    )
    return found


def _value(plane: Any, stat: Any) -> Any:
    kind = stat.WhichOneof("value")
    value = getattr(stat, kind)
    return plane.stat_metadata[value].name if kind == "ref_value" else value


def call_of(name: str, folder: Path, *, precision: str) -> Callable[[], Any]:
    """Prepares a case in an empty folder and makes its call."""
    from benchmarks import peers_ours  # noqa: PLC0415

    peers_ours.prepare(folder)
    case = peers_work.ALL[name]
    peers_ours.choose(precision)
    model = peers_ours.build(case, folder)
    if case.training:
        return peers_ours.training_of(model, peers_ours.batch_of(case, folder))
    return peers_ours.detection_of(model, case, folder)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--case", choices=peers_work.ALL, default="train-512x512x2")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--rows", type=int, default=30, help="tensors to list")
    options = parser.parse_args()
    os.environ["TF_CPU_ALLOCATOR_USE_BFC"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        call = call_of(options.case, Path(folder), precision=options.precision)
        for _ in range(2):  # the first traces the graph
            call()
        events = traced(call, Path(folder) / "profile")
    print(table(*at_peak(events), rows=options.rows))


if __name__ == "__main__":
    main()
