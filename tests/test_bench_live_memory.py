from tensorflow.tsl.profiler.protobuf import xplane_pb2

from benchmarks import live_memory
from benchmarks.live_memory import Event


def test_the_peak_is_where_the_total_is_largest_and_lists_what_is_still_in_use():
    events = [
        Event(30, 170, 1, 0, "", ""),  # the first tensor is freed
        Event(10, 150, 1, 50, "[5]", "first"),
        Event(20, 250, 2, 100, "[10]", "second"),
        Event(40, 260, 1, 90, "[9]", "third"),  # at the address of the first
        Event(50, 160, 2, 0, "", ""),
    ]
    peak, used = live_memory.at_peak(events)
    assert peak == 260
    assert [event.operation for event in used] == ["second", "third"]
    assert live_memory.at_peak([]) == (0, [])


def test_the_table_names_the_largest_tensors():
    used = [Event(1, 9, 1, 2_500_000, "[2]", "large"), Event(2, 9, 2, 1_000_000, "[1]", "small")]
    lines = live_memory.table(3_500_000_000, used, rows=1).splitlines()
    assert lines == ["peak of the tensors: 3.50 GB", "      MB  shape, operation", "     2.5  [2] large"]


def test_read_finds_allocations_and_their_ends_among_other_events():
    space = xplane_pb2.XSpace()
    plane = space.planes.add()
    for number, name in enumerate(("MemoryAllocation", "MemoryDeallocation", "MatMul"), 1):
        plane.event_metadata[number].name = name
    names = ("bytes_allocated", "addr", "allocation_bytes", "tf_op", "shape", "convolution")
    for number, name in enumerate(names, 1):
        plane.stat_metadata[number].name = name
    line = plane.lines.add(timestamp_ns=2)
    for kind, offset, total, size in ((1, 5, 700, 256), (3, 6, 0, 0), (2, 7, 444, 256)):
        event = line.events.add(metadata_id=kind, offset_ps=offset)
        event.stats.add(metadata_id=1, int64_value=total)
        event.stats.add(metadata_id=2, uint64_value=4096)
        event.stats.add(metadata_id=3, int64_value=size)
        event.stats.add(metadata_id=4, ref_value=6)  # a text that several events share
        event.stats.add(metadata_id=5, str_value="[8]")
    found = live_memory.read(space.SerializeToString())
    assert found == [Event(2005, 700, 4096, 256, "[8]", "convolution"), Event(2007, 444, 4096, 0, "[8]", "convolution")]
