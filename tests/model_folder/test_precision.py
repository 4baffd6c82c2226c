from pathlib import Path

import keras
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


@pytest.fixture
def tf32():
    """Yields TensorFlow's module with the switch of TF32, and resets the switch afterwards."""
    state = tf.config.experimental
    before = state.tensor_float_32_execution_enabled()
    yield state
    state.enable_tensor_float_32_execution(before)


def test_tests_run_without_tf32():
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


def test_choose_tf32_sets_what_is_asked_for_and_none_keeps_it(tf32):
    for allowed in (True, False):
        precision.choose_tf32(allowed)
        assert tf32.tensor_float_32_execution_enabled() is allowed
        precision.choose_tf32(None)
        assert tf32.tensor_float_32_execution_enabled() is allowed


def test_choose_tf32_is_the_only_place_that_sets_it():
    package = Path(precision.__file__).parents[1]
    texts = {path.relative_to(package).as_posix(): path.read_text() for path in package.rglob("*.py")}
    assert [name for name, text in texts.items() if "native.allow_tf32" in text] == ["model_folder/precision.py"]
    assert [name for name, text in texts.items() if "enable_tensor_float_32_execution" in text] == [
        "ops/backend/tensorflow.py"
    ]


ON = "TF32: on, products of float32 have 10 binary places; `tf32` false (--no-tf32) switches it off"
OFF = "TF32: off, products of float32 have 23 binary places"
LACKING = "TF32: off, since it needs a GPU of compute capability 8.0"


@pytest.mark.parametrize(
    ("capabilities", "allowed", "policy", "expected"),
    [
        ([(9, 0)], True, "float32", [ON]),
        ([(9, 0)], False, "float32", [OFF]),
        ([(7, 5), (8, 0)], True, "float32", [ON]),
        ([None], True, "float32", [ON]),
        ([(7, 5)], True, "float32", [LACKING]),
        ([(7, 5)], False, "float32", [LACKING]),
        ([(9, 0)], True, "mixed_bfloat16", []),
        ([], True, "float32", []),
        ([], False, "float32", []),
    ],
)
def test_lines_say_whether_float32_is_tf32(gpus, tf32, capabilities, allowed, policy, expected):
    gpus(*capabilities)
    precision.choose_tf32(allowed)
    assert precision.lines(precision.Precision(policy), asked=policy) == expected
    assert precision.uses_tf32() is (allowed and capabilities not in ([(7, 5)], []))


def test_lines_say_what_auto_is(gpus, tf32):
    gpus((7, 5))
    first, second = precision.lines(precision.resolve("auto"), asked="auto")
    assert first.startswith("precision: float32, because bfloat16 needs a GPU of compute capability 8.0")
    assert second == LACKING


def test_scope_sets_the_policy_until_the_end_also_after_an_exception():
    before = keras.config.dtype_policy().name

    def build():
        with precision.scope("mixed_bfloat16"):
            assert keras.config.dtype_policy().name == "mixed_bfloat16"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build()
    assert keras.config.dtype_policy().name == before != "mixed_bfloat16"
