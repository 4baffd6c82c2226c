import io
import json
import math
import sys

import pytest
from PIL import Image

from benchmarks import growth, growth_plot
from benchmarks.growth import CURVES, Point, Work

READY = "print('ready', flush=True); input(); "


def test_exponent_is_the_slope_on_logarithmic_axes():
    xs = [1.0, 2.0, 8.0]
    assert growth.exponent(xs, [3 * x**2 for x in xs]) == pytest.approx(2.0)
    assert growth.exponent(xs, [7.0] * 3) == pytest.approx(0.0)
    # log2: x 0, 1, 3 and y 0, 2, 1; means 4/3 and 1; (4/3 + -1/3 + 0) / (16/9 + 1/9 + 25/9) = 1 / (42/9)
    assert growth.exponent(xs, [1.0, 4.0, 2.0]) == pytest.approx(9 / 42)
    assert math.isnan(growth.exponent([1.0], [1.0]))


def test_exponents_use_the_measure_of_the_curve():
    points = [Point(256, 1.0, 2.0, 0.5), Point(512, 1.0, 2.0, 2.0), Point(1024, 4.0, 2.0, 8.0)]
    # pixels grow by 4 each time: seconds by 1 and 4, slopes 0 and 1, memory by 4 and 4
    assert growth.exponents(CURVES["side-infer"], points, "seconds") == pytest.approx((0.5, 1.0))
    assert growth.exponents(CURVES["side-infer"], points, "added_gb") == pytest.approx((1.0, 1.0))
    assert CURVES["image"].x(6000) == pytest.approx(24.0)  # 6000 x 4000 pixels, in millions


def test_curves_reach_the_largest_values():
    largest = {name: curve.values[-1] for name, curve in CURVES.items()}
    assert largest | {"side-infer": 2048, "objects-infer": 500, "classes-train": 1204, "image": 6000} == largest
    assert all(list(curve.values) == sorted(set(curve.values)) for curve in CURVES.values())


def test_settings_allow_500_objects():
    trained = CURVES["objects-train"].work(Work(), 500)
    assert (trained.training, growth.settings(trained, 8).max_gt_instances) == (True, 500)
    found = growth.settings(CURVES["objects-infer"].work(Work(), 500), 8)
    assert (found.detections_per_image, found.score_threshold) == (500, 0.0)


def test_joined_processes_take_as_long_as_the_slowest_and_add_their_memory():
    results = [{"seconds": s, "peak_gb": 2.0, "start_gb": 1.5} for s in (1.0, 3.0)]
    assert growth.joined(2, results) == Point(2, 3.0, 4.0, 1.0)
    same = [{"seconds": 1.0, "peak_gb": 2.0, "start_gb": 2.0}]
    assert growth.joined(1, same).added_gb == growth.LEAST_GB


def test_run_together_lets_all_measure_at_the_same_time():
    code = (
        "import json, time; " + READY + "start = time.time(); time.sleep(0.5); print(json.dumps([start, time.time()]))"
    )
    spans = growth.run_together([sys.executable, "-c", code], 2)
    assert len(spans) == 2
    assert max(start for start, _ in spans) < min(end for _, end in spans)


@pytest.mark.parametrize("code", ["import sys; sys.exit('broken')", READY + "import sys; sys.exit('broken')"])
def test_run_together_ends_where_a_process_fails(code):
    with pytest.raises(SystemExit, match="failed: broken"):
        growth.run_together([sys.executable, "-c", code], 2)


def test_measure_curve_starts_a_process_for_each_value(monkeypatch):
    started = []

    def run_together(command, count):
        started.append((json.loads(command[-1]), count))
        return [{"seconds": 1.0, "peak_gb": 2.0, "start_gb": 1.0}] * count

    monkeypatch.setattr(growth, "run_together", run_together)
    options = growth.parse(["--most", "200"])
    assert [point.value for point in growth.measure_curve(CURVES["objects-infer"], Work(side=64), options)] == [
        1,
        10,
        100,
        200,
    ]
    assert [(work["objects"], work["side"], count) for work, count in started] == [
        (1, 64, 1),
        (10, 64, 1),
        (100, 64, 1),
        (200, 64, 1),
    ]
    started.clear()
    assert [point.peak_gb for point in growth.measure_curve(CURVES["processes"], Work(), options)] == [2.0, 4.0, 8.0]
    assert [count for _, count in started] == [1, 2, 4]


def test_table_names_points_and_exponents():
    points = [Point(1, 0.5, 1.5, 0.1), Point(2, 1.0, 1.6, 0.2)]
    lines = growth.table("batch-infer", CURVES["batch-infer"], points).splitlines()
    assert lines[0] == "batch-infer: images of a batch"
    assert lines[3].split() == ["2", "1.000", "1.60", "0.200"]
    assert lines[4] == "exponent of seconds 1.00, of the last two points 1.00"


def test_draw_writes_a_picture_with_a_panel_for_seconds_and_one_for_memory(tmp_path):
    points = [Point(1, 0.5, 1.5, 0.1), Point(2, 1.0, 1.6, 0.2)]
    names = ("batch-infer", "batch-train", "objects-infer", "classes-infer", "classes-train", "processes")
    growth_plot.draw({name: (CURVES[name], points) for name in names}, tmp_path / "new" / "growth.png")
    with Image.open(tmp_path / "new" / "growth.png") as picture:
        size = picture.size
    # 6 curves: two bands of four columns, each band with two rows
    assert size == (round(4 * 3.0 * 100), round(4 * 2.6 * 100))


def test_main_writes_points_and_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        growth, "run_together", lambda command, count: [{"seconds": 1.0, "peak_gb": 2.0, "start_gb": 1.0}] * count
    )
    files = ["--out", str(tmp_path / "points.json"), "--plot", str(tmp_path / "growth.png")]
    monkeypatch.setattr(sys, "argv", ["growth", "--curve", "processes", "--most", "2", *files])
    growth.main()
    assert json.loads((tmp_path / "points.json").read_text())["processes"][1] == {
        "value": 2,
        "seconds": 1.0,
        "peak_gb": 4.0,
        "added_gb": 2.0,
    }
    assert (tmp_path / "growth.png").stat().st_size > 1000
    assert capsys.readouterr().out.startswith("processes: processes\n")


@pytest.mark.slow
def test_measure_times_detection_and_training(monkeypatch, capsys):
    monkeypatch.setattr(growth.sys, "stdin", io.StringIO("\n\n"))
    options = growth.parse(["--channels", "8", "--runs", "1"])
    for work in (Work(side=64, objects=3, classes=3), Work(side=64, objects=3, classes=2, training=True)):
        got = growth.measure(work, options)
        assert got["seconds"] > 0
        assert got["peak_gb"] >= got["start_gb"] > 0
    assert capsys.readouterr().out == "ready\nready\n"
