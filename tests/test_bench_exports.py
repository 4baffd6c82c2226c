"""The table of `benchmarks.exports`."""

import argparse
from dataclasses import replace

import pytest

from benchmarks import exports, exports_work
from mrcnn.config.input_size import InputSize
from tests.export import helpers


def test_markdown_has_medians_and_ratios():
    results = {
        "live float32": [
            {"seconds": 2.0, "cpu_seconds": 2.0, "peak_gb": 1.0, "mask_ap": 0.4, "box_ap": 0.5},
            {"seconds": 4.0, "cpu_seconds": 4.0, "peak_gb": 2.0},
        ],
        "OpenVINO int8": [
            {"seconds": 1.5, "cpu_seconds": 1.0, "peak_gb": 0.5},
            {"seconds": 1.7, "cpu_seconds": 1.0, "peak_gb": 0.7},
        ],
    }
    lines = exports.markdown(results, sizes={"live float32": 0, "OpenVINO int8": 45.6}).splitlines()
    assert lines[0] == "|  | s/image | CPU s/image | CPU s to live float32 | peak GB | MB | box AP | mask AP |"
    assert lines[2] == "| live float32 | 3.000 | 3.000 | 1.00 (1.00-1.00) | 1.50 | - | 0.5000 | 0.4000 |"
    # 1 / 2 and 1 / 4 in their rounds
    assert lines[3] == "| OpenVINO int8 | 1.600 | 1.000 | 0.38 (0.25-0.50) | 0.60 | 46 | - | - |"


def test_markdown_without_the_live_model_has_no_ratio():
    results = {"SavedModel": [{"seconds": 1.0, "cpu_seconds": 2.0, "peak_gb": 0.5}]}
    line = exports.markdown(results, sizes={"SavedModel": 1.0}).splitlines()[2]
    assert line == "| SavedModel | 1.000 | 2.000 | - | 0.50 | 1 | - | - |"


def test_routes_have_a_folder_each_format_and_weights():
    options = exports.parse(["--model", "m", "--out", "o", "--size", "800", "1344"])
    assert (options.size, options.rounds) == ([800, 1344], 3)
    assert {route.folder for route in exports.ROUTES if route.format != exports.LIVE} == {
        "saved_model-float32", "onnx-float32", "onnx-float16", "onnx-int8", "openvino-float32", "openvino-int8",
        "litert-float32", "litert-int8",
    }  # fmt: skip


def test_machine_counts_processors(tmp_path):
    (tmp_path / "cpuinfo").write_text("model name\t: AMD EPYC\nflags: x\nmodel name\t: AMD EPYC\n")
    assert exports.machine(tmp_path / "cpuinfo") == "2 x AMD EPYC"
    assert exports.machine(tmp_path / "none")


def test_size_mb_adds_files_up(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1_500_000))
    assert exports.size_mb(tmp_path) == 1.5
    assert exports.size_mb(tmp_path / "none") == 0


def test_export_all_needs_images_for_int8_before_it_exports(tmp_path, monkeypatch):
    monkeypatch.setattr(exports, "stored_model", lambda options: pytest.fail("it began"))
    options = exports.parse(["--model", "m", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^ONNX Runtime int8, OpenVINO int8, LiteRT int8: --calibrate must name a f"):
        exports.export_all(options, exports.ROUTES, None)


def test_export_all_measures_ranges_in_the_input_shape_of_the_format(tmp_path, monkeypatch):
    seen = []
    bundle = replace(helpers.make_bundle(), input_size=InputSize(min_dim=64, max_dim=128, shape="rectangle"))
    monkeypatch.setattr(exports, "stored_model", lambda options: None)
    monkeypatch.setattr(exports.read, "load_model", lambda *args, **given: bundle)
    monkeypatch.setattr(exports.run, "write", lambda bundle, folder, *, format: folder.mkdir())
    monkeypatch.setattr(exports.pictures, "folder_pictures", lambda *args, **given: [])
    monkeypatch.setattr(exports.reduced, "reduce", lambda chosen, *args, settings, **given: seen.append(settings.shape))
    options = exports.parse(["--model", "m", "--out", str(tmp_path), "--calibrate", "c"])
    exports.export_all(options, [route for route in exports.ROUTES if route.title.endswith(" int8")], None)
    assert sorted(seen) == ["rectangle", "rectangle", "square"]  # of LiteRT


@pytest.mark.parametrize(("given", "expected"), [(2, [2]), (None, [])])
def test_a_live_model_has_the_threads_that_are_asked_for(monkeypatch, given, expected):
    wanted = []
    threading = exports_work.tf.config.threading
    monkeypatch.setattr(threading, "set_intra_op_parallelism_threads", wanted.append)
    monkeypatch.setattr(exports_work.read, "read_model", lambda model: None)
    monkeypatch.setattr(exports_work.read, "load_model", lambda *args, **given: helpers.make_bundle())
    options = argparse.Namespace(model="m", format="live", precision="float32", size=None, threads=given)
    assert exports_work.opened(options).class_names == helpers.NAMES
    assert wanted == expected
