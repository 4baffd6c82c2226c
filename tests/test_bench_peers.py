import json
import sys

import numpy as np
import pytest

from benchmarks import peers, peers_ours, peers_work, timing
from benchmarks.peers import Pair, Row


def results(*seconds, gb=1.0, found=100):
    return [{"seconds": value, "peak_gb": gb, "found": found} for value in seconds]


def row(ours, theirs):
    return Row("infer-800x1333-0", "float32", "default", [Pair(*pair) for pair in zip(ours, theirs, strict=True)])


@pytest.fixture
def folder(tmp_path):
    peers_ours.prepare(tmp_path)
    return tmp_path


def options(folder, **given):
    values = {"warm_up": 1, "runs": 1, "clock": "processor", "folder": folder, **given}
    return peers_work.argparse.Namespace(**values)


def test_alternate_runs_the_sides_in_turn():
    calls = []
    pairs = list(
        peers.alternate(3, ours=lambda: calls.append("A") or len(calls), theirs=lambda: calls.append("B") or len(calls))
    )
    assert calls == list("ABABAB")
    assert pairs == [(1, 2), (3, 4), (5, 6)]


def test_ratio_is_the_median_of_the_pairs_ratios():
    one = row(results(2.0, 3.0, 4.0, gb=3.0), results(4.0, 4.0, 16.0, gb=2.0))
    # 2/4, 3/4, 4/16: the median is 0.5; that of the medians would be 3/4
    assert one.ratio("seconds") == (0.5, 0.25, 0.75)
    assert str(one.ratio("seconds")) == "0.50 (0.25-0.75)"
    assert one.ratio("peak_gb") == (1.5, 1.5, 1.5)
    assert one.spread(lambda pair: pair.theirs["seconds"]) == (4.0, 4.0, 16.0)


def test_ratio_of_an_even_number_of_pairs_is_the_mean_of_the_middle_two():
    one = row(results(1.0, 2.0, 3.0, 8.0), results(10.0, 10.0, 10.0, 10.0))
    assert one.ratio("seconds").median == pytest.approx(0.25)


def test_table_shows_both_sides_and_their_ratio():
    one = row(results(2.0, 3.0, 4.0, gb=3.0), results(4.0, 4.0, 16.0, gb=2.0, found=99))
    head, line, body = peers.table([one], clock="wall").splitlines()
    assert head.split(" | ")[2:4] == ["ours, s", "torchvision, s"]
    assert {text.count("|") for text in (head, line, body)} == {11}
    assert body == (
        "| infer-800x1333-0 | float32 | 3.00 (2.00-4.00) | 4.00 (4.00-16.00) | default | 0.50 (0.25-0.75) "
        "| 3.00 | 2.00 | 1.50 (1.50-1.50) | 100 / 99 |"
    )
    assert "ours, processor s" in peers.table([one], clock="processor")


def test_faster_layout_is_that_of_the_shorter_trial(capsys):
    seconds = {"default": 3.0, "channels-last": 2.0}
    assert peers.faster_layout(lambda layout: {"seconds": seconds[layout]}) == "channels-last"
    assert capsys.readouterr().out == "torchvision, trial: default 3.00 s, channels-last 2.00 s\n"


@pytest.mark.parametrize(
    ("native", "expected"), [(True, ("float32", "bf16")), (False, ("float32",)), (None, ("float32",))]
)
def test_default_precisions_have_bfloat16_where_the_cpu_has(monkeypatch, native, expected):
    monkeypatch.setattr(peers.precision, "cpu_has_bfloat16", lambda: native)
    assert peers.default_precisions() == expected


def test_main_runs_each_case_and_writes_its_pairs(tmp_path, monkeypatch, capsys):
    commands = []

    def run_side(command):
        commands.append(command)
        seconds = {"benchmarks.peers_ours": 1.0, "benchmarks.peers_torchvision": 2.0}[command[2]]
        faster = 0.5 if "channels-last" in command else 0.0
        return "noise\n" + json.dumps({"seconds": seconds - faster, "peak_gb": 1.5, "found": 100})

    monkeypatch.setattr(peers, "run_side", run_side)
    out = tmp_path / "new" / "peers.json"
    arguments = ["--case", "train-512x512x2", "--precision", "bf16", "--pairs", "2", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["peers", *arguments, "--torch-python", "other/python"])
    peers.main()
    assert "--prepare" in commands[0]
    sides = [command[2].rsplit("_", 1)[1] for command in commands[1:]]
    assert sides == ["torchvision", "torchvision", "ours", "torchvision", "ours", "torchvision"]
    assert {command[0] for command in commands} == {sys.executable, "other/python"}
    assert all(command[4:8] == ["--case", "train-512x512x2", "--precision", "bf16"] for command in commands[1:])
    assert [command[-1] for command in commands if command[-2] == "--layout"] == [
        "default",
        "channels-last",
        "channels-last",
        "channels-last",
    ]
    [written] = json.loads(out.read_text())["rows"]
    assert written["ratio"]["median"] == pytest.approx(1 / 1.5)
    assert [pair["theirs"]["seconds"] for pair in written["pairs"]] == [1.5, 1.5]
    assert "| train-512x512x2 | bf16 |" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--pairs", "0"], ["--runs", "0"], ["--warm-up", "0"]])
def test_parse_refuses_counts_below_one(wrong, capsys):
    with pytest.raises(SystemExit):
        peers.parse(wrong)
    assert "must be at least 1" in capsys.readouterr().err


def test_parse_measures_all_cases_in_five_pairs():
    found = peers.parse([])
    assert (found.pairs, found.case, found.precision) == (5, list(peers_work.CASES), None)
    sizes = {case.size for case in peers_work.CASES.values() if not case.training}
    assert sizes == {(480, 640), (800, 1333)}


def test_run_side_ends_with_the_last_line_of_errors():
    command = [sys.executable, "-c", "import sys; print('first', file=sys.stderr); sys.exit('no such thing')"]
    with pytest.raises(SystemExit, match="failed: no such thing"):
        peers.run_side(command)
    assert peers.run_side([sys.executable, "-c", "print(7)"]) == "7\n"


def test_measure_warms_up_before_the_timed_calls():
    calls = []
    measured, value = peers_work.measure(lambda: calls.append(0) or len(calls), options(None, warm_up=2, runs=3))
    assert (len(calls), value) == (5, 2)
    assert measured["seconds"] >= 0
    assert 0.01 < measured["peak_gb"] < 100


def test_seconds_are_differences_of_the_clock():
    ticks = iter([1.0, 3.0, 10.0, 10.5])
    assert timing.seconds(lambda: None, 2, clock=lambda: next(ticks)) == [2.0, 0.5]


def test_peak_gb_reads_the_peak(tmp_path):
    status = tmp_path / "status"
    status.write_text("VmPeak:\t  900 kB\nVmHWM:\t  2000000 kB\nVmRSS:\t  5 kB\n")
    assert timing.peak_gb(status) == pytest.approx(2.048)  # 2,000,000 * 1024 bytes
    status.write_text("VmPeak:\t  900 kB\n")
    with pytest.raises(ValueError, match="VmHWM"):
        timing.peak_gb(status)


def test_spread_scales_scores_and_residual_branches():
    weights = {
        name: np.full(3, 5.0, np.float32)
        for name in ("bn2a_branch2c/gamma:0", "bn2a_branch2b/gamma:0", "mrcnn_class_logits/kernel:0", "conv1/kernel:0")
    }
    assert [float(value[0]) for value in peers_ours.spread(weights).values()] == [1.0, 5.0, 20.0, 5.0]


def test_settings_are_those_of_torchvision():
    found = peers_ours.settings(peers_work.CASES["train-512x512x2"])
    assert (found.backbone, found.rpn_channels, found.post_nms_topk, found.detections_per_image) == (
        "resnet50",
        256,
        1000,
        100,
    )
    assert (found.roi_samples, found.roi_positive_fraction, found.pre_nms_topk) == (512, 0.25, 2000)
    assert found.rpn_delta_std == peers_work.RPN_DELTA_STD  # whatever the default is: torchvision's kernels assume it
    limits = [peers_ours.settings(case).score_threshold for case in peers_work.CASES.values() if not case.training]
    assert limits == [0.05, 0.0, 0.05, 0.0, 0.05, 0.05]


def test_settings_of_torchvisions_own_models_are_of_its_families():
    for name in ("torchvision", "torchvision_v2"):
        found = peers_ours.settings(peers_work.CASES[f"infer-480x640-{name}"])
        assert (found.family, found.batch_norm, found.score_threshold) == (name, "fixed", 0.05)


def test_weight_file_of_torchvisions_own_models_is_their_state_dict(folder):
    case = peers_work.ALL["tiny-infer-torchvision"]
    with np.load(peers_work.weight_file(folder, case)) as stored:
        assert stored["roi_heads.mask_predictor.mask_fcn_logits.weight"].shape == (peers_work.CLASSES, 256, 1, 1)
    model = peers_ours.build(case, folder)
    assert model.settings.family == "torchvision"


@pytest.mark.slow
def test_measure_detection_and_training_of_a_tiny_case(folder):
    case = peers_work.TINY["tiny-infer"]
    got = peers_ours.measure_detection(peers_ours.build(case, folder), case, options=options(folder))
    assert 0 < got["found"] <= case.detections
    assert 0 < got["mask_share"] < 1
    case = peers_work.TINY["tiny-infer-torchvision"]
    got = peers_ours.measure_detection(peers_ours.build(case, folder), case, options=options(folder))
    assert 0 < got["found"] <= case.detections
    case = peers_work.TINY["tiny-train"]
    got = peers_ours.measure_training(peers_ours.build(case, folder), case, options=options(folder))
    assert got["found"] == 2 * 4  # a quarter of 16 regions of each image
    assert np.isfinite(got["loss"])
