from mrcnn.card import training
from mrcnn.card.markdown import UNKNOWN

from . import made


def test_data(tmp_path):
    text = training.data(made.contents(tmp_path, texts=made.texts(training_data="Photos of pets.")))
    assert text.startswith("Photos of pets.\n\n300 training images and 60 validation images of pets.\n\n| class |")
    assert "| dog_1 | 600 | 300 | 60 | 40 |" in text
    assert training.data(made.contents(tmp_path, facts=None)) == UNKNOWN


def test_data_counts_regions_to_ignore_and_shortens_the_table(tmp_path):
    classes = {f"c{index}": made.CLASSES["cat"] for index in range(102)}
    data = made.DATA.model_copy(update={"classes": classes, "ignored": 1})
    text = training.data(made.contents(tmp_path, facts=made.FACTS.model_copy(update={"data": data})))
    assert "of pets; 1 region to ignore (crowds, neutral objects)." in text
    assert text.endswith("2 more classes are not shown.")
    assert text.count("\n| c") == 1 + 100  # the head begins with "| class"


def test_preprocessing(tmp_path):
    text = training.preprocessing(made.contents(tmp_path))
    assert "the shorter side has 512 pixels and the longer side at most 1024, then padded to a rectangle" in text
    assert "The mean 123.7, 116.8, 103.9 of the channels' values 0 to 255 is subtracted." in text
    assert "changed at random by name fliplr, probability 0.5" in text
    assert training.preprocessing(made.contents(tmp_path, config={})) == UNKNOWN


def test_regime(tmp_path):
    assert training.regime(made.contents(tmp_path)) == "bf16 mixed precision"
    assert training.regime(made.contents(tmp_path, config={})) == UNKNOWN


def test_hyperparameters(tmp_path):
    rows = training.hyperparameters(made.contents(tmp_path)).split("\n")
    assert "| start weights | a ResNet trained on ImageNet; the other layers at random (`imagenet`) |" in rows
    assert "| `lr` | 0.01 |" in rows
    assert "| `batch_size` | train 2, val 1 |" in rows
    assert "| epochs made | 3 |" in rows
    assert "| epoch of these weights | 2 |" in rows
    assert not any("sampling" in row for row in rows)  # it is null
    assert training.hyperparameters(made.contents(tmp_path, config={})) == UNKNOWN


def test_start_of_an_unknown_kind(tmp_path):
    assert training.start(made.contents(tmp_path, config={})) == UNKNOWN


def test_preprocessing_names_augmenters_with_their_arguments(tmp_path):
    augmenters = [
        {"name": "Fliplr", "args": {"p": 0.5}, "children": []},
        {"name": "Multiply", "args": {"mul": [0.8, 1.2]}},
        {"name": "SomeOf", "args": {}, "children": [{"name": "Flipud", "args": {}}]},
    ]
    config = {**made.CONFIG, "settings": {**made.CONFIG["settings"], "augmentation": augmenters}}
    text = training.preprocessing(made.contents(tmp_path, config=config))
    assert "changed at random by Fliplr (p 0.5), Multiply (mul 0.8, 1.2), SomeOf (Flipud) (`augmentation`)." in text


def test_speeds_with_the_memory_of_the_run(tmp_path):
    rows = [{"epoch": 1.0, "memory_peak_gb": 2.0}, {"epoch": 2.0, "memory_peak_gb": 2.46, "gpu_memory_peak_gb": 11.0}]
    lines = training.speeds(made.contents(tmp_path, rows=rows)).split("\n")
    assert lines[1:3] == ["- **Memory:** 2.5 GB at most", "- **GPU memory:** 11.0 GB at most"]


def test_speeds(tmp_path):
    lines = training.speeds(made.contents(tmp_path)).split("\n")
    assert lines == [
        "- **Seconds per epoch:** 500 (median, without validation)",  # of 300, 500, 900
        "- **Images per second:** 4 in training (median of the epochs)",
        "- **Start:** 2026-11-28, 2 hours in all",  # (5400 + 1800) / 3600
        "- **Weight file:** 176.0 MB",
        "- **Parameters:** 44,000,000, 43,000,000 of them trained",
    ]
    even = training.speeds(made.contents(tmp_path, rows=made.ROWS[:2])).split("\n")
    assert even[0] == "- **Seconds per epoch:** 600 (median, without validation)"  # (900 + 300) / 2
    assert training.speeds(made.contents(tmp_path, rows=(), facts=None, weights_bytes=None)) == UNKNOWN
