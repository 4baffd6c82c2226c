"""Mistakes in the paths of a command line are found without TensorFlow and Keras."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mrcnn import locks
from mrcnn.commands import paths
from mrcnn.config.load import load_train_config
from mrcnn.errors import UserError
from mrcnn.model_folder import layout
from mrcnn.weights import state_dict_write
from tests.predict import helpers
from tests.train import tiny
from tests.weights import family_examples

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import json, sys
sys.modules["tensorflow"] = sys.modules["keras"] = None  # an import of them is an error now
from mrcnn import __main__
from mrcnn.commands import tasks
tasks.leave = sys.exit  # the process goes on with the next line
for line in json.loads(sys.argv[1]):
    try:
        print(__main__.main([*line.split(), "--log-format", "json"]))
    except SystemExit as stop:
        print(stop.code)
"""
# a run without a mistake comes to the import of Keras or TensorFlow
NEXT = ("import of ", "needs TensorFlow, which is not installed")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Writes a model folder, a project, images, COCO JSON, configs and outputs in use."""
    root = tmp_path_factory.mktemp("place")
    (root / "model" / "model_weights").mkdir(parents=True)
    (root / "model" / layout.WEIGHTS).touch()
    (root / "model" / layout.CONFIG).write_text("{}")
    state_dict_write.write_torch(root / "two.pth", family_examples.detector())
    state_dict_write.write_torch(root / "backbone.pth", family_examples.backbone())
    (root / "empty").mkdir()
    (root / "exported").mkdir()
    (root / "exported" / "model.onnx").touch()
    (root / "runs" / "first").mkdir(parents=True)
    (root / "runs" / "first" / layout.CONFIG).write_text("{}")
    tiny.write_project(root / "project", train=1, val=1)
    helpers.write_image(root / "photos" / "a.png", 20, 20, 100)
    (root / "a.json").write_text(json.dumps({"images": []}))
    (root / "random.json").write_text(json.dumps({"weights_init_type": "random"}))
    (root / "transfer.json").write_text(json.dumps({"weights_init_type": "transfer_learning"}))
    (root / "typo.json").write_text(json.dumps({"epoch": 3}))
    (root / "broken.json").write_text("{")
    (root / "used" / "photos" / "mine").mkdir(parents=True)
    checkpoint = root / "trained" / "00000000" / layout.WEIGHTS
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    return root


TRAIN = "train --config random.json --project project --output new"
INFER = "infer --model model --images photos --output new"
EVALUATE = "evaluate --model model --project project"
EXPORT = "export --model model --out new"
LINES = {
    TRAIN: NEXT,
    "train --config random.json --data a.json --images photos --output new": NEXT,
    "train --config transfer.json --project project --output new --model model": NEXT,
    "train --config none.json --project project --output new": "config file not found: none.json",
    "train --config broken.json --project project --output new": "broken.json is not JSON: line 1 column 2",
    "train --config typo.json --project project --output new": "unknown key `epoch`; did you mean `epochs`",
    "train --config random.json --project none --output new": "the project folder none does not exist",
    "train --config random.json --project photos --output new": "no project in photos: neither it nor a folder",
    "train --config random.json --project project --output trained": "the output folder trained holds a run's",
    "train --config random.json --project project --output a.json": "cannot write to the output a.json",
    "train --config transfer.json --project project --output new": "needs start weights: give --model",
    "train --config transfer.json --project project --output new --model none": "the start weights are missing",
    "train --config random.json --data none.json --images photos --output new": "cannot read the annotation file none",
    "train --config random.json --data a.json --images none --output new": "the images' folder none does not exist",
    "train --config random.json --data a.json --output new": "--images is missing: name the folder",
    "train --config random.json --data none --images photos --output new": "the data none does not exist",
    f"{TRAIN} --images photos": "--images has no effect without --data",
    INFER: NEXT,
    "infer --model model --project project --output new --config typo.json": "unknown key `model.epoch`",
    "infer --model none --images photos --output new": "the model folder none does not exist",
    "infer --model empty --images photos --output new": "the model folder empty has neither config.json nor best",
    "infer --model runs --images photos --output new": "name one of the folders inside it, e.g. runs/first",
    "infer --model none.h5 --images photos --output new": "the weight file none.h5 does not exist",
    "infer --model none.pth --images photos --output new": "the weight file none.pth does not exist",
    "infer --model two.pth --images photos --output new": "does not contain the names of its 2 classes: give them by",
    "infer --model two.pth --images photos --output new --classes a,b": NEXT,
    "infer --model backbone.pth --images photos --output new": "holds the backbone of a model alone",
    "infer --model torchvision:mask --images photos --output new": "torchvision:mask is not among the published models",
    "infer --model model --images none --output new": "the image folder, file or pattern none does not exist",
    "infer --model model --images empty --output new": "the image folder empty has no image",
    "infer --model model --project none --output new": "the project folder none does not exist",
    "infer --model model --images photos --output used": "the output used/photos must be new or an empty folder",
    EVALUATE: NEXT,
    "evaluate --model none --project project": "the model folder none does not exist",
    "evaluate --model model --project none": "the project folder none does not exist",
    "evaluate --model model --data a.json": "--images is missing: name the folder",
    f"{EVALUATE} --config broken.json": "broken.json is not JSON",
    f"{EVALUATE} --output empty": "the metrics empty must be a file, it is a folder",
    EXPORT: NEXT,
    "export --model none --out new": "the model folder none does not exist",
    "export --model model --out used": "the output used must be new or an empty folder; remove it or name another",
    f"{EXPORT} --images none": "the image folder, file or pattern none does not exist",
    "serve --model model": NEXT,
    "serve --model none": "the model folder none does not exist",
    "infer --model exported --images photos --output new": NEXT,
    "evaluate --model exported/model.onnx --project project": NEXT,
    "serve --model exported/model.onnx": NEXT,
    "infer --model none.onnx --images photos --output new": "there is no ONNX file none.onnx; `mrcnn export --format",
    "evaluate --model none/saved_model.pb --project project": "there is no SavedModel none/saved_model.pb; `mrcnn",
    "serve --model none.onnx": "there is no ONNX file none.onnx; `mrcnn export --format onnx` writes one",
    "export --model exported/model.onnx --out new": "exported/model.onnx is an exported model, which only inference",
    "export --model exported --out new": "exported is an exported model, which only inference, evaluation and",
    "train --config transfer.json --project project --output new --model exported": "exported is an exported model",
}


def call(place, lines):
    return subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(lines)],
        cwd=place,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_mistakes_are_found_without_tensorflow(place):
    before = sorted(place.rglob("*"))
    done = call(place, [*LINES])
    assert done.stdout.split() == ["1"] * len(LINES), done.stderr[-2000:]
    events = map(json.loads, filter(lambda line: line.startswith("{"), done.stderr.splitlines()))
    told = [event["exc_str"] for event in events if event["level"] == "fatal"]
    wrong = [
        (line, text)
        for (line, part), text in zip(LINES.items(), told, strict=True)
        if not any(one in text for one in ([part] if isinstance(part, str) else part))
    ]
    assert wrong == []
    assert sorted(place.rglob("*")) == before  # no folder is left where a run did not begin


@pytest.mark.parametrize("model", ["coco", Path("coco")])
def test_check_model_and_check_start_leave_the_name_of_a_download_alone(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    paths.check_model(model, classes=None)
    config = load_train_config({"weights_init_type": "transfer_learning"})
    paths.check_start(model, config)
    Path("coco").mkdir()
    with pytest.raises(UserError, match="the model folder coco has neither"):
        paths.check_model(model, classes=None)
    with pytest.raises(UserError, match="the start weights are missing: coco"):
        paths.check_start(model, config)


def test_check_model_reads_the_config_of_a_folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    paths.check_model(tmp_path, classes=None)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json is not JSON: line 1"):
        paths.check_model(tmp_path, classes=None)


def test_check_start_is_for_configs_that_use_a_model():
    paths.check_start("none", load_train_config({"weights_init_type": "imagenet"}))


def test_check_start_auto_needs_no_model_but_checks_a_given_one():
    config = load_train_config({"weights_init_type": "auto"})
    paths.check_start(None, config)
    with pytest.raises(UserError, match="the start weights are missing: none"):
        paths.check_start("none", config)


def test_check_checkpoints_names_the_run_that_writes_there(tmp_path):
    with locks.inside(tmp_path, warn=print), pytest.raises(UserError, match="another run is writing to"):
        paths.check_checkpoints(tmp_path, resume=False)


def test_check_checkpoints_and_check_detections_let_a_run_be_resumed(place):
    paths.check_checkpoints(place / "trained", resume=True)
    source = type("Named", (), {"name": "photos"})
    paths.check_detections(place / "used", source, resume=True)
    with pytest.raises(UserError, match="must be new or an empty folder"):
        paths.check_detections(place / "used", source, resume=False)


def test_check_file_refuses_a_place_below_a_file(place):
    paths.check_file(place / "new" / "m.json", what="the metrics")
    with pytest.raises(UserError, match="cannot write to the output"):
        paths.check_file(place / "a.json" / "m.json", what="the metrics")


def test_check_data_reads_nothing(place):
    paths.check_data(None, {"data": place / "broken.json", "images": place / "photos"})
    paths.check_data(place / "project", None)


def test_check_model_and_check_start_leave_a_published_name_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths.check_model("detectron2:mask_rcnn_R_50_FPN_1x", classes=None)
    paths.check_start(
        "torchvision:maskrcnn_resnet50_fpn", load_train_config({"weights_init_type": "transfer_learning"})
    )
