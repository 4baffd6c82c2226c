import keras
import pytest
import tensorflow as tf

from mrcnn.data.share import Share
from mrcnn.errors import UserError
from mrcnn.ops import reduction
from mrcnn.train import devices
from mrcnn.train.workers.cluster import Cluster
from mrcnn.train.workers.peers import Peers

from . import fake


@pytest.fixture
def two_gpus(monkeypatch):
    """Lets TensorFlow have two GPUs and notes which become visible."""
    gpus = [tf.config.PhysicalDevice(f"/physical_device:GPU:{index}", "GPU") for index in range(2)]
    visible = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda chosen, kind: visible.append(list(chosen)))
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda device, on: None)
    monkeypatch.setattr(devices, "use", lambda names: devices.Devices(tuple(names)))
    return gpus, visible


def test_without_a_gpu_one_warning_and_the_cpu(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    warnings = []
    chosen = devices.choose([0, 1], warn=warnings.append)
    assert (chosen.names, chosen.strategy, chosen.count) == (("CPU:0",), None, 1)
    assert warnings == ["no GPU found: `gpu_devices` [0, 1] has no effect, the CPU is used"]


def test_without_a_gpu_and_without_a_list_there_is_nothing_to_warn_of(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert devices.choose(None, warn=pytest.fail).names == ("CPU:0",)


def test_without_a_list_the_first_gpu_is_used(two_gpus):
    gpus, visible = two_gpus
    assert devices.choose(None, warn=pytest.fail).names == ("GPU:0",)
    assert visible == [[gpus[0]]]


def test_the_listed_gpus_become_visible_under_new_numbers(two_gpus):
    gpus, visible = two_gpus
    assert devices.choose([1, 1], warn=pytest.fail).names == ("GPU:0",)
    assert visible == [[gpus[1]]]
    assert devices.choose([0, 1], warn=pytest.fail).names == ("GPU:0", "GPU:1")


def test_a_gpu_that_is_not_there_is_an_error(two_gpus):
    with pytest.raises(UserError, match=r"lists \[2\], but this machine has 2 GPU\(s\); use numbers in 0..1"):
        devices.choose([0, 2], warn=pytest.fail)


def test_a_choice_that_comes_too_late_is_an_error(two_gpus, monkeypatch):
    def late(chosen, kind):
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config, "set_visible_devices", late)
    with pytest.raises(UserError, match="cannot change within one process"):
        devices.choose([1], warn=pytest.fail)


def test_one_device_needs_no_strategy_and_changes_no_model():
    chosen = devices.use(["CPU:0"])
    model = fake.FakeMaskRCNN()
    with chosen.scope():
        assert not tf.distribute.has_strategy()
    devices.attach(model, chosen)
    assert (model.replica_sum, model.num_replicas) == (reduction.identity, 1)


def test_alone_takes_the_model_off_its_strategy_for_a_while():
    model = fake.FakeMaskRCNN()

    def doubled(count):
        return 2 * count

    model.replica_sum, model.num_replicas = doubled, 2
    with devices.alone(model):
        assert (model.replica_sum, model.num_replicas) == (reduction.identity, 1)
    assert (model.replica_sum, model.num_replicas) == (doubled, 2)
    assert isinstance(model, keras.Model)


@pytest.mark.parametrize(
    ("name", "flags", "expected"),
    [
        ("CPU:0", "flags : sse avx2 fma", True),
        ("CPU:0", "flags : avx2 avx512_bf16 fma", False),
        ("CPU:0", "Features : asimd bf16", False),
        ("GPU:0", "flags : sse avx2", False),
    ],
)
def test_lacks_bfloat16_bfloat16_is_emulated_only_on_a_cpu_without_its_instructions(tmp_path, name, flags, expected):
    (tmp_path / "cpuinfo").write_text(flags)
    chosen = devices.Devices(names=(name,))
    assert devices.lacks_bfloat16(chosen, cpu_info=tmp_path / "cpuinfo") is expected


def test_lacks_bfloat16_unknown_cpu_gets_no_warning(tmp_path):
    assert not devices.lacks_bfloat16(devices.Devices(names=("CPU:0",)), cpu_info=tmp_path / "none")


@pytest.mark.parametrize(
    ("capability", "message"), [((9, 0), None), ((10, 0), "10.0"), ((12, 0), "12.0"), (None, None)]
)
def test_check_xla_refuses_gpus_that_it_does_not_know(two_gpus, monkeypatch, capability, message):
    details = {} if capability is None else {"compute_capability": capability}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    if message is None:
        devices.check_xla(devices.Devices(("GPU:0",)))
    else:
        with pytest.raises(UserError, match=rf"`jit_compile` must be false on a GPU of compute capability {message}: "):
            devices.check_xla(devices.Devices(("GPU:0",)))
    devices.check_xla(devices.Devices(("CPU:0",)))  # GPUs that the run does not use
    monkeypatch.setattr(devices.native, "COMPILES_STEPS", True)
    devices.check_xla(devices.Devices(("GPU:0",)))  # JAX has an XLA of its own


def test_check_xla_refuses_several_devices():
    with pytest.raises(UserError, match="`jit_compile` needs one device, got 2 in `gpu_devices`; set it to false"):
        devices.check_xla(devices.Devices(("GPU:0", "GPU:1")))


def test_count_and_share_of_one_process_and_of_workers():
    one = devices.Devices(("GPU:0", "GPU:1"))
    assert (one.count, one.share) == (2, Share())  # Keras divides the batch between the devices of one process
    workers = devices.Devices(("GPU:0", "GPU:1"), peers=Peers(Cluster(("a:1", "b:1", "c:1"), 2)))
    assert (workers.count, workers.share) == (6, Share(2, 3, 2))


def test_check_xla_refuses_several_workers():
    workers = devices.Devices(("CPU:0",), peers=Peers(Cluster(("a:1", "b:1"), 0)))
    with pytest.raises(UserError, match="`jit_compile` needs one device, got 2 of 2 workers; set it to false"):
        devices.check_xla(workers)


def test_join_waits_for_all_with_the_devices_of_this_worker(two_gpus, monkeypatch):
    cluster, waited = Cluster(("a:1", "b:1"), 1), []
    monkeypatch.setattr(devices.rendezvous, "wait_for_all", lambda where, **how: waited.append((where, how["devices"])))
    monkeypatch.setattr(devices.peers, "start", lambda where: tf.distribute.OneDeviceStrategy("CPU:0"))
    found = devices.join([0, 1], cluster, warn=pytest.fail, note=pytest.fail)
    assert waited == [(cluster, 2)]
    assert (found.names, found.count, found.peers.index) == (("GPU:0", "GPU:1"), 4, 1)
    assert found.strategy is not None
