import json
import math
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cost, joining, large_image, load, serve_load, speed
from mrcnn.errors import UserError
from mrcnn.images.pixels import read_image
from mrcnn.models.families.matterport import Matterport
from mrcnn.predict import sources
from mrcnn.weights import names
from tests import matterport_table
from tests.predict import helpers as infer_helpers
from tests.serve.helpers import running

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model():
    settings = {"backbone": "resnet50", "fpn_channels": 16, "rpn_channels": 8, "box_fc_channels": 4}
    return Matterport(num_classes=3, settings=settings)


def test_multiply_adds_counted_by_hand(model):
    got = cost.stage_gmacs(model, image_size=(128, 64), box_regions=5, mask_regions=2)
    # cells of P2..P6 at 128 x 64: 32*16 + 16*8 + 8*4 + 4*2 + 2*1 = 682; shared 3x3, 2 * 3 scores and 4 * 3 deltas
    assert got["rpn"] * 1e9 == pytest.approx(682 * (9 * 16 * 8 + 8 * 6 + 8 * 12))
    # 1x1 from C2..C5 and a 3x3 on each of P2..P5
    lateral = 512 * 256 * 16 + 128 * 512 * 16 + 32 * 1024 * 16 + 8 * 2048 * 16
    assert got["fpn"] * 1e9 == pytest.approx(lateral + (512 + 128 + 32 + 8) * 9 * 16 * 16)
    # 7x7 and 1x1 to 4 features, then 3 scores and 12 deltas
    assert got["box_head"] * 1e9 == pytest.approx(5 * (49 * 16 * 4 + 4 * 4 + 4 * 3 + 4 * 12))
    # four 3x3 from 16 to 256 and 256 to 256 on 14 x 14, a 2x2 doubling, 3 classes on 28 x 28
    convolutions = 196 * 9 * (16 * 256 + 3 * 256 * 256)
    assert got["mask_head"] * 1e9 == pytest.approx(2 * (convolutions + 196 * 4 * 256 * 256 + 784 * 256 * 3))


def test_the_backbone_costs_what_is_published(model):
    # He et al. (2015), table 1: ResNet-50 needs 3.8e9 multiply-adds at 224 x 224, with 2e6 of them in the classifier
    got = cost.stage_gmacs(model, image_size=(224, 224), box_regions=0, mask_regions=0)
    assert got["backbone"] == pytest.approx(3.8, abs=0.1)
    assert got["box_head"] == got["mask_head"] == 0


def test_every_case_of_the_table_can_be_named():
    wanted = {"infer-r101-1024", "infer-r50-800x1344", "infer-r101-256", "train-r101-256-all", "train-r50-512x2-all"}
    assert wanted < set(speed.CASES)
    assert all(side % 64 == 0 for case in speed.CASES.values() for side in case.image_size)


@pytest.mark.slow
def test_a_measured_case_adds_up(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["speed", "--case", "infer-r101-256", "--runs", "1"])
    speed.main()
    got = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert sum(got["stages"].values()) == pytest.approx(got["seconds"])
    assert got["images_per_second"] == pytest.approx(1 / got["seconds"])
    assert got["share"] == pytest.approx(got["gflops"] / got["matmul_gflops"])


def test_the_load_of_a_running_service_is_measured():
    with running() as service:
        before = serve_load.batches(service.url)
        found = serve_load.ask(service.url, serve_load.photograph(), clients=4, requests_in_all=12)
        runs = serve_load.batches(service.url) - before
    assert (len(found.seconds), found.failed) == (12, 0)
    assert 0 < max(found.seconds) <= found.wall
    assert sum(found.seconds) >= found.wall  # four at a time
    assert 3 <= runs <= 12


def test_requests_that_nobody_answers_are_counted_as_failed():
    assert serve_load.ask("http://127.0.0.1:9", b"x", clients=1, requests_in_all=2).failed == 2


def test_a_row_of_the_load_table():
    found = serve_load.Load([float(value) for value in range(1, 102)], failed=2, wall=202.0)
    # 101 values 1..101: the middle one is 51, 95 of the 100 steps end at 96; 101 / 202 = 0.5 a second
    assert serve_load.row(4, 8, found, runs=25.25, memory=1234.4) == (
        "| 4 | 8 | 103 | 2 | 0.50 | 51.00 | 96.00 | 4.0 | 1234 |"
    )
    nothing = serve_load.Load([], failed=3, wall=1.0)
    assert serve_load.row(1, 1, nothing, runs=0, memory=9.0) == "| 1 | 1 | 3 | 3 | 0.00 | nan | nan | 0.0 | 9 |"
    assert serve_load.row(1, 1, nothing._replace(seconds=[2.0]), runs=1, memory=9.0).split()[11:14] == [
        "2.00",
        "|",
        "2.00",
    ]
    assert {line.count("|") for line in serve_load.HEADER.splitlines()} == {10}


def test_the_load_table_replaces_the_one_before():
    document = f"a\n{serve_load.BEGIN}\nold\nolder\n{serve_load.END}\nb\n"
    assert serve_load.replaced(document, "new") == f"a\n{serve_load.BEGIN}\nnew\n{serve_load.END}\nb\n"
    for wrong in ("", document + document, document.replace(serve_load.END, "")):
        with pytest.raises(SystemExit, match="the document must hold the lines"):
            serve_load.replaced(wrong, "new")
    assert serve_load.replaced((ROOT / "docs" / "serving.md").read_text(), "new").count(serve_load.BEGIN) == 1


def test_peak_memory_is_that_of_the_process_and_of_what_it_started():
    assert 50 < serve_load.peak_mb(os.getpid()) < 100_000
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, text=True) as shell:
        sleeper = int(shell.stdout.readline())
        assert serve_load.family(shell.pid) == [shell.pid, sleeper]
        assert serve_load.peak_mb(shell.pid) > serve_load.peak_mb(sleeper) > 0
        os.kill(sleeper, signal.SIGTERM)


def test_a_process_that_a_running_thread_started_counts_as_well():
    with ThreadPoolExecutor(1) as pool, pool.submit(subprocess.Popen, ["sleep", "60"]).result() as child:
        assert child.pid in serve_load.family(os.getpid())
        child.kill()


def test_the_peak_can_start_anew():
    block = np.ones(200_000_000, np.uint8)
    high = serve_load.peak_mb(os.getpid())
    del block
    serve_load.restart_peak(os.getpid())
    assert serve_load.peak_mb(os.getpid()) < high - 100


def test_the_loaded_file_is_as_large_as_matterports():
    table = matterport_table.expected_table(names.depth_number(load.BACKBONE), load.CLASSES)
    assert sum(math.prod(shape) for _, weights in table for _, shape in weights) == 64_158_584


def test_loading_is_told_by_medians():
    runs = [
        {
            "weights": s,
            "build": 2 * s,
            "read_facts": 0.1,
            "all": 3.1,
            "weights_gb": s / 10,
            "all_gb": 0.3,
            "file_mb": 257,
        }
        for s in (1, 9, 2)
    ]
    assert load.table(runs).splitlines() == [
        "a file of 257 MB, median of 3 runs",
        "weights onto the built model       2.00 s   0.20 GB above it",
        "reading what the file is           0.10 s",
        "building the model                 4.00 s",
        "the whole way                      3.10 s   0.30 GB above the parameters",
    ]


@pytest.mark.slow
def test_a_measured_load_adds_up(tmp_path):
    load.write(str(tmp_path / "model.h5"))
    got = load.measure(str(tmp_path / "model.h5"))
    assert got["all"] == pytest.approx(sum(got[step] for step in load.STEPS))
    assert got["file_mb"] == pytest.approx(257.4, abs=0.5)  # 64,158,584 numbers of 4 bytes, and the names
    assert 0 <= got["weights_gb"] < 0.6


def test_the_large_scene_is_the_same_each_time():
    scene = large_image.draw_scene(60, 100)
    assert (scene.shape, scene.dtype) == ((60, 100, 3), np.uint8)
    np.testing.assert_array_equal(scene, large_image.draw_scene(60, 100))
    assert not np.array_equal(large_image.draw_scene(300, 400), np.zeros((300, 400, 3)))


@pytest.mark.slow
def test_a_large_image_is_measured():
    options = large_image.parse(
        ["--size", "200", "100", "--window", "100", "--overlap", "20", "--input-side", "64", "--channels", "8"]
    )
    columns = [(0, left, 100, left + 100) for left in (0, 80, 100)]
    assert large_image.boxes(options) == [*columns, (0, 0, 100, 200)]
    got = large_image.measure(options)
    assert (got["width"], got["height"], got["regions"]) == (200, 100, 3)
    assert got["objects"] > 0
    assert got["peak_gb"] >= got["start_gb"] > 0


def test_images_are_laid_on_a_canvas_with_their_objects(tmp_path):
    images = {f"ds/{name}.png": (8, 8, value, [infer_helpers.rectangle("cat", 1, 2, 3, 5)], ["val"])
              for value, name in enumerate("abcde", start=10)}  # fmt: skip
    images["ds/wide.png"] = (8, 9, 7, [], ["val"])
    root = infer_helpers.write_project(tmp_path / "p", images, classes=(("cat", "rectangle"),), tags=(("val", "none"),))
    tiles = joining.square_tiles(sources.open_project(root), 8)
    assert [entry.name for entry in tiles.entries] == [
        "a.png",
        "b.png",
        "c.png",
        "d.png",
    ]  # 4 fill a square
    canvas = sources.open_project(joining.write_canvas(tiles, tmp_path / "canvas", side=8, margin=3))
    (entry,) = canvas.entries
    image, annotation = read_image(entry.path), entry.read_annotation(canvas.meta)
    assert (image.shape, annotation.size_hw) == ((19, 19, 3), (19, 19))
    assert [int(image[y, x, 0]) for y, x in ((3, 3), (3, 11), (11, 3), (18, 18))] == [10, 11, 12, 13]
    drawn = [label.geometry.to_mask(19, 19) for label in annotation.labels]
    assert [corner for _, corner in drawn] == [(4, 5), (4, 13), (12, 5), (12, 13)]
    assert all(mask.shape == (3, 4) and mask.all() for mask, _ in drawn)


def test_no_image_of_a_size_is_an_error(tmp_path):
    root = infer_helpers.write_project(tmp_path / "p", {"ds/a.png": (8, 9, 1, [], [])}, classes=(("cat", "bitmap"),))
    with pytest.raises(UserError, match="no image of p has 8 x 8 pixels"):
        joining.square_tiles(sources.open_project(root), 8)
