import pytest
import tensorflow as tf

from mrcnn.model_folder import precision

FLAGS = "flags : sse avx512_bf16 fma"


@pytest.fixture
def cpu(tmp_path, monkeypatch):
    """Describes a CPU, on a machine without a GPU."""
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])

    def describe(flags):
        (tmp_path / "cpuinfo").write_text(flags)
        return tmp_path / "cpuinfo"

    return describe


@pytest.fixture
def gpus(monkeypatch):
    """Makes GPUs of the given compute capabilities visible."""

    def show(*capabilities):
        devices = [
            tf.config.PhysicalDevice(f"/physical_device:GPU:{index}", "GPU") for index in range(len(capabilities))
        ]
        details = {
            device.name: {} if capability is None else {"compute_capability": capability}
            for device, capability in zip(devices, capabilities, strict=True)
        }
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: devices)
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details[device.name])

    return show


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (FLAGS, "precision: mixed_bfloat16, because this CPU has bfloat16 instructions"),
        ("Features : asimd bf16", "precision: mixed_bfloat16, because this CPU has bfloat16 instructions"),
        ("flags : avx512f fma", "precision: float32, because this CPU has no bfloat16 instructions"),
        ("", "precision: float32, because this CPU has no bfloat16 instructions"),
    ],
)
def test_resolve_goes_by_the_cpus_instructions(cpu, flags, line):
    assert str(precision.resolve("auto", cpu_info=cpu(flags))) == line


def test_resolve_is_float32_on_a_cpu_that_nothing_is_known_of(cpu, tmp_path):
    cpu("")
    found = precision.resolve("auto", cpu_info=tmp_path / "none")
    assert (found.policy, found.reason) == ("float32", "it is not known whether this CPU has bfloat16 instructions")


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [
        ([(9, 0)], "mixed_bfloat16"),
        ([(8, 0), (8, 9)], "mixed_bfloat16"),
        ([(7, 5)], "float32"),
        ([(9, 0), (7, 0)], "float32"),
        ([(12, 0)], "mixed_bfloat16"),
        ([None], "float32"),
    ],
)
def test_resolve_goes_by_the_oldest_gpu_and_not_by_the_cpu(gpus, tmp_path, capabilities, policy):
    (tmp_path / "cpuinfo").write_text(FLAGS)
    gpus(*capabilities)
    assert precision.resolve("auto", cpu_info=tmp_path / "cpuinfo").policy == policy


def test_resolve_leaves_what_was_asked_for(cpu):
    assert precision.resolve("mixed_float16", cpu_info=cpu(FLAGS)).policy == "mixed_float16"
