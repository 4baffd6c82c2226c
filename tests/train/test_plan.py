import keras

from mrcnn.config.load import load_train_config
from mrcnn.config.optimizer import OptimizerConfig
from mrcnn.data.sources.source import Samples
from mrcnn.structures import Sample
from mrcnn.train import plan
from mrcnn.train.devices import Devices
from mrcnn.train.workers.cluster import Cluster
from mrcnn.train.workers.peers import Peers

from . import fake


def test_parameter_lines_parameters_and_memory_are_counted():
    model = fake.FakeMaskRCNN()
    # conv1 3 * 3 * 3 * 4 + 4 = 112, logits 4 * 15 + 15 = 75
    model.conv1.trainable = False
    lines = plan.parameter_lines(model, trained_layers=["mrcnn_class_logits"], optimizer_copies=1)
    assert lines[0] == "parameters: 187, of which 75 in 1 layers are trained"
    assert lines[1].startswith("memory: 0.00 GB for weights, gradients and optimizer")


def test_parameter_lines_memory_of_a_model_of_250_million():
    model = keras.Sequential([keras.Input((50_000,)), keras.layers.Dense(10, use_bias=False)])
    # 0.5 million numbers of 4 bytes: weights, gradients and two of Adam
    assert "0.01 GB" in plan.parameter_lines(model, trained_layers=["dense"], optimizer_copies=2)[1]


def test_class_line_classes_are_listed_by_number_and_a_long_list_is_cut():
    assert plan.class_line({"b": 1, "bg": 0}) == "classes: 0 bg, 1 b"
    assert plan.class_line({str(index): index for index in range(5)}, most=2) == "classes: 0 0, 1 1 and 3 more"


def test_the_last_line_names_the_best_epoch(tmp_path):
    rows = [{"val_loss": 2.0}, {"val_loss": 1.23456}, {"val_loss": 3.0}]
    line = plan.last_line(rows, monitor="val_loss", best=tmp_path / "best", curves=tmp_path / "curves.png")
    assert line == (
        f"trained 3 epochs, the best is epoch 2 with val_loss 1.235: {tmp_path}/best; curves in {tmp_path}/curves.png"
    )
    line = plan.last_line([{"val_loss": 2.0}], monitor="val_mask_ap", best=tmp_path / "best", curves=tmp_path / "c.png")
    assert line == f"trained 1 epoch: {tmp_path}/best; curves in {tmp_path}/c.png"


def test_input_shapes_hold_the_largest_short_side_and_name_all():
    size = {"min_dim": 64, "max_dim": 192, "shape": "rectangle", "train_min_dims": [48, 128]}
    config = load_train_config({"input_size": size})
    sample = Sample("ds/a.png", "a.png", (), (), (), (20, 30))  # 128 x 192 at most
    text = plan.input_shapes([sample], config, batch_size=1)
    jittered = load_train_config({"input_size": {**size, "train_min_dims": []}, "scale_jitter": {}})
    assert plan.input_shapes([sample], jittered, batch_size=1) == "input 192x192, images scaled by 0.1 to 2"
    assert text == "input 128x192 (rectangles with 67% as many pixels as squares), short sides drawn from 48, 128"


def test_optimizer_copies_and_update_rule_with_accumulation():
    plain, four = OptimizerConfig(), OptimizerConfig(name="adam", accumulation_steps=4)
    assert (plan.optimizer_copies(plain), plan.optimizer_copies(four)) == (1, 3)  # Adam's two, and the sum
    assert plan.optimizer_copies(OptimizerConfig(ema_momentum=0.999)) == 2
    assert (plan.update_rule(plain), plan.update_rule(four)) == ("sgd", "adam with an update every 4 steps")


def test_sampling_lines_name_the_length_of_an_epoch_and_the_most_repeated_classes():
    ids = [(1,), (1,), (1,), (1, 2)]
    samples = [Sample("ds/a.png", "a.png", ids[index], ids[index], (False,) * len(ids[index])) for index in range(4)]
    data = Samples(tuple(samples), (), {"bg": 0, "car": 1, "bus": 2})
    config = load_train_config({"sampling": {"repeat_threshold": 1}})
    # bus is in 1 of 4 images: sqrt(1 / 0.25) = 2, so an epoch has 1 + 1 + 1 + 2 images
    assert plan.sampling_lines(data, config) == [
        "sampling: an epoch has 5 images, drawn from 4; most of all bus 2.00 times (in 1 image)"
    ]
    assert plan.sampling_lines(data, load_train_config({"sampling": {"repeat_threshold": 0.25}})) == [
        "sampling: an epoch has 4 images, drawn from 4; no class is in fewer than 0.25 of the images"
    ]
    assert plan.sampling_lines(data, load_train_config({})) == []


def test_device_names_of_one_process_and_of_workers():
    assert plan.device_names(Devices(("GPU:0", "GPU:1"))) == "GPU:0, GPU:1"
    workers = Devices(("GPU:0", "GPU:1"), peers=Peers(Cluster(("a:1", "b:1", "c:1"), 2)))
    assert plan.device_names(workers) == "GPU:0, GPU:1 of each of 3 workers"
