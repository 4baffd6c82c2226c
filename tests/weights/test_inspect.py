import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mrcnn.weights import hdf5, inspect

ROOT = Path(__file__).resolve().parents[2]
SHAPES = {
    "conv1_kernel": (1, 1, 4, 1),
    "fpn_c5p5_kernel": (1, 1, 1, 3),
    "mrcnn_class_conv1_kernel": (5, 1, 1, 2),
    "mrcnn_class_logits_kernel": (1, 7),
    "rpn_class_raw_kernel": (1, 1, 1, 10),
}


def facts_of(path):
    with hdf5.read_file(path) as file:
        return inspect.facts_of(file)


@pytest.mark.parametrize(("depth", "layers", "tensors"), [(50, 131, 384), (101, 233, 690)])
def test_facts_of_a_whole_model(tmp_path, make_skeleton, depth, layers, tensors):
    hdf5.write_file(tmp_path / "m.h5", make_skeleton(depth, **SHAPES))
    facts = facts_of(tmp_path / "m.h5")
    assert facts.backbone == f"resnet{depth}"
    assert (facts.layers, facts.tensors) == (layers, tensors)
    assert facts.parameters == tensors + 3 + 2 + 9 + 6 + 9  # one each, and 4 - 1, 3 - 1, 5 * 2 - 1, 7 - 1, 10 - 1 more
    assert (facts.num_classes, facts.anchors_per_location, facts.channels) == (7, 5, 4)
    assert facts.widths == {"fpn_channels": 3, "rpn_channels": 1, "box_fc_channels": 2, "box_pool_size": 5}
    assert facts.unknown == facts.missing == ()
    assert not facts.old
    assert facts.origin == "new, written by this project, weights only"


def test_lines_of_a_whole_model(tmp_path, make_skeleton):
    hdf5.write_file(tmp_path / "m.h5", make_skeleton(50, **SHAPES))
    assert inspect.lines("m.h5", facts_of(tmp_path / "m.h5")) == [
        "m.h5",
        "  form: new, written by this project, weights only",
        "  content: 131 layers, 384 tensors, 413 parameters",
        "  backbone: resnet50",
        "  classes with background: 7",
        "  anchors per location: 5",
        "  input channels: 4",
        "  sizes: fpn_channels 3, rpn_channels 1, box_fc_channels 2, box_pool_size 5",
        "  loads: everything into a resnet50 with 7 classes; without a model folder, --classes must name the 6 besides "
        "the background",
    ]


def test_facts_of_an_old_multi_gpu_file_is_recognised(tmp_path, make_skeleton, write_by_hand, values_of):
    path = write_by_hand(tmp_path / "gpus.h5", {"mask_rcnn": values_of(make_skeleton(50))}, under="model_weights")
    facts = facts_of(path)
    assert facts.origin == "old, written by Keras 2.0.8, whole model, nested in one group as by a multi-GPU wrapper"
    assert facts.old
    assert (facts.layers, facts.backbone) == (131, "resnet50")


def test_facts_of_a_backbone_alone(tmp_path, make_skeleton):
    layout = [entry for entry in make_skeleton(50) if entry[0].startswith(("conv1", "bn", "res"))]
    hdf5.write_file(tmp_path / "b.h5", layout)
    lines = inspect.lines("b.h5", facts_of(tmp_path / "b.h5"))
    assert (
        "  a Mask R-CNN also needs 25 layers: fpn_c5p5, fpn_c4p4, fpn_c3p3, fpn_c2p2, fpn_p5, fpn_p2, … mrcnn_mask"
        in lines
    )
    assert "  classes with background: unknown" in lines
    assert lines[-1] == "  loads: the backbone of a resnet50; the missing layers would start from random weights"


def test_facts_of_an_incomplete_backbone(tmp_path, make_skeleton):
    hdf5.write_file(tmp_path / "b.h5", make_skeleton(50)[:9])
    lines = inspect.lines("b.h5", facts_of(tmp_path / "b.h5"))
    assert "  backbone: unknown" in lines
    assert lines[-1] == "  loads: not by itself, the backbone is not complete"


def test_facts_of_other_networks(tmp_path, write_by_hand):
    one = {"kernel:0": np.ones(3)}
    write_by_hand(tmp_path / "other.h5", {"dense": one})
    write_by_hand(tmp_path / "imagenet.h5", {"conv1_conv": one})
    write_by_hand(tmp_path / "none.h5", {})
    last = {name: inspect.lines(name, facts_of(tmp_path / f"{name}.h5"))[-1] for name in ("other", "imagenet", "none")}
    assert last["other"] == "  loads: nothing, none of its layers is of a Mask R-CNN"
    assert last["imagenet"] == "  loads: as `imagenet_weights`, it looks like keras.applications' ResNet"
    assert last["none"] == "  loads: nothing, none of its layers is of a Mask R-CNN"
    assert "  not of a Mask R-CNN: 1: dense" in inspect.lines("other", facts_of(tmp_path / "other.h5"))


def test_facts_of_scalars_do_not_stop_it(tmp_path, write_by_hand):
    facts = facts_of(write_by_hand(tmp_path / "s.h5", {"conv1": {"conv1/kernel:0": np.float32(1)}}))
    assert (facts.channels, facts.widths, facts.parameters) == (None, {}, 1)


def test_main_reports_each_file_and_fails_for_bad_ones(tmp_path, make_skeleton, capsys):
    hdf5.write_file(tmp_path / "good.h5", make_skeleton(50))
    (tmp_path / "bad.h5").write_text("text")
    assert inspect.main([str(tmp_path / "good.h5")]) == 0
    capsys.readouterr()
    assert inspect.main([str(tmp_path / "bad.h5"), str(tmp_path / "good.h5")]) == 1
    printed = capsys.readouterr()
    assert "backbone: resnet50" in printed.out
    assert printed.err == f"error: the weight file {tmp_path / 'bad.h5'} is not an HDF5 file: it starts with b'text'\n"


def test_main_runs_as_a_command_without_tensorflow(tmp_path, make_skeleton):
    hdf5.write_file(tmp_path / "m.h5", make_skeleton(101))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mrcnn", "inspect", tmp_path / "m.h5"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "  backbone: resnet101" in done.stdout
    assert "tensorflow" not in done.stderr
