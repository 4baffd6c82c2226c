"""`mrcnn infer --engine`: which options go together, what is passed on, and once a real network against a plain run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from mrcnn import optional
from mrcnn.commands import infer, many, merge
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.predict.predictor import Predictor
from mrcnn.scale import job, rows
from mrcnn.scale import run as running
from tests.annotate.runs import tree
from tests.commands.test_infer import ROOT, write_model
from tests.predict import helpers
from tests.scale import toy


def run(*arguments):
    infer.infer(infer.parse(list(map(str, arguments))), JsonLog())


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Options that are complete, and a list of the jobs that are started with them, which are not run."""
    jobs = []
    toy.write_images(tmp_path / "photos", 2)
    (tmp_path / "model.onnx").write_bytes(b"x")
    monkeypatch.setattr(running, "run", lambda *arguments, **options: jobs.append((arguments, options)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.chdir(tmp_path)
    return ["--engine", "local", "--model", "model.onnx", "--images", "photos", "--output", "out"], jobs


def test_run_passes_all_on(given, tmp_path):
    options, jobs = given
    (tmp_path / "c.json").write_text('{"model": {"score_floor": 0.25}}')
    run(*options, "--score-threshold", "0.5", "--batch-size", "4", "--device", "cpu", "--no-tf32",
        "--config", "c.json", "--workers", "3", "--shard-size", "7", "--retry-failed")  # fmt: skip
    [((work, images, engine), more)] = jobs
    assert (work.output, work.model, work.batch_size) == (f"{tmp_path}/out", f"{tmp_path}/model.onnx", 4)
    assert work.loading == {"classes": None, "input_size": None, "score_threshold": 0.5, "device": "cpu",
                            "precision": "float32", "tf32": False}  # fmt: skip
    assert work.config == {"model": {"score_floor": 0.25}}
    assert images.images == (f"{tmp_path}/photos/0000.png", f"{tmp_path}/photos/0001.png")
    assert engine.keywords["workers"] == 3
    assert engine.keywords["gpus"] == ()
    assert {name: more[name] for name in ("shard_size", "gpus", "retry_failed")} == {
        "shard_size": 7,
        "gpus": [],
        "retry_failed": True,
    }


@pytest.mark.parametrize(
    ("visible", "cores", "workers"),
    [("", 2, 1), ("", 16, 4), ("0,1", 2, 2)],
)
def test_run_chooses_the_number_of_workers(given, monkeypatch, visible, cores, workers):
    options, jobs = given
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr("mrcnn.scale.machine.cores", lambda: list(range(cores)))
    run(*options)
    [((_, _, engine), more)] = jobs
    assert (engine.keywords["workers"], len(more["gpus"])) == (workers, len(engine.keywords["gpus"]))


@pytest.fixture
def engines(monkeypatch):
    """Replaces the modules of Ray and Spark, which have an environment of their own."""
    for name in ("ray", "spark"):
        module = SimpleNamespace(run=name, Share=lambda workers, **more: {"workers": workers, **more})
        monkeypatch.setitem(sys.modules, f"mrcnn.scale.{name}", module)
    partial = SimpleNamespace(partial=lambda function, **more: {"engine": function, **more})
    monkeypatch.setattr(many, "functools", partial)
    monkeypatch.setattr(optional, "missing", lambda extra: [])
    monkeypatch.setattr("mrcnn.scale.machine.cores", lambda: list(range(8)))
    monkeypatch.setenv(many.RAY_ON_LOOPBACK, "1")
    monkeypatch.delenv(many.RAY_ON_LOOPBACK)


@pytest.mark.parametrize(
    ("more", "engine"),
    [
        (
            ("--engine", "ray"),
            {"engine": "ray", "share": {"workers": None, "cpus": 4, "gpus": 0.0}, "address": None, "gpus": 0},
        ),
        (
            ("--engine", "ray", "--workers", "6", "--cpus-per-worker", "2", "--gpus-per-worker", "0.5",
             "--ray-address", "auto"),
            {"engine": "ray", "share": {"workers": 6, "cpus": 2, "gpus": 0.5}, "address": "auto", "gpus": 0},
        ),
        (("--engine", "spark"), {"engine": "spark", "master": None, "workers": 2, "threads": 1}),
        (
            ("--engine", "spark", "--workers", "3", "--cpus-per-worker", "2", "--spark-master", "spark://h:7077"),
            {"engine": "spark", "master": "spark://h:7077", "workers": 3, "threads": 2},
        ),
    ],
)  # fmt: skip
def test_run_passes_the_options_of_clusters_on(given, engines, more, engine):
    options, jobs = given
    run(*options, *more)
    assert jobs[0][0][2] == engine
    # a Ray that is started here must listen on 127.0.0.1 alone
    assert os.environ.get(many.RAY_ON_LOOPBACK) == ("0" if engine.get("address", "x") is None else None)


def test_run_writes_to_a_url(given):
    options, jobs = given
    run(*options[:-1], "s3://bucket/out")
    assert jobs[0][0][0].output == "s3://bucket/out"


def test_run_reads_what_a_coco_file_lists(given, tmp_path):
    options, jobs = given
    (tmp_path / "x.json").write_text(json.dumps({"images": [{"id": 1, "file_name": "0001.png"}]}))
    run(*options, "--data", "x.json")
    assert jobs[0][0][1].images == (f"{tmp_path}/photos/0001.png",)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("--overlay",), "--overlay has no effect with --engine; leave one of them out"),
        (("--task-dir", "x"), "--task-dir has no effect with --engine"),
        (("--ray-address", "auto"), "--ray-address goes with --engine ray, got local; leave it out"),
        (("--spark-master", "x"), "--spark-master goes with --engine spark, got local"),
        (("--gpus-per-worker", "1"), "--gpus-per-worker goes with --engine ray, got local"),
        (("--workers", "0"), "--workers must be at least 1, got 0"),
        (("--batch-size", "auto"), "--batch-size auto is measured on one machine; give a number with --engine"),
        (("--precision", "auto"), "--precision auto may choose differently on each machine; give one with --engine"),
        (("--device", "1"), "--device 1 has no effect with --engine, which assigns the GPUs; give cpu or leave it out"),
        (("--data", "x", "--recursive"), "--data goes with one folder of --images and without --recursive"),
        (("--boxes-as-masks",), "--boxes-as-masks has no effect with --engine"),
        (("--config", "none.json"), "config file not found: none.json"),
        (("--config", "auto.json"), "`model.runtime` auto may choose differently on each machine; name one with"),
        (("--model", "none.onnx"), "there is no ONNX file none.onnx"),
    ],
)
def test_run_refuses(given, more, reason):
    options, jobs = given
    Path("auto.json").write_text(json.dumps({"model": {"runtime": "auto"}}))
    with pytest.raises(UserError, match=re.escape(reason)):
        run(*options, *more)
    assert jobs == []


def test_run_names_what_is_missing():
    with pytest.raises(UserError, match="--engine local needs --model, --images, --output; see --help"):
        run("--engine", "local")
    with pytest.raises(UserError, match="--engine ray needs --images; see --help"):
        run("--engine", "ray", "--model", "m", "--output", "o")


@pytest.mark.parametrize(
    "option", [("--workers", "2"), ("--shard-size", "2"), ("--retry-failed",), ("--ray-address", "x")]
)
def test_options_of_a_job_need_an_engine(option):
    with pytest.raises(UserError, match=f"{option[0]} has no effect without --engine; give one of local, ray, spark"):
        run("--model", "m", "--images", "i", "--output", "o", *option)


@pytest.mark.parametrize(("engine", "package"), [("local", "pyarrow"), ("ray", "ray"), ("spark", "pyspark")])
def test_run_names_what_installs_a_missing_package(given, monkeypatch, engine, package):
    find = optional.importlib.util.find_spec
    monkeypatch.setattr(optional.importlib.util, "find_spec", lambda name: None if name == package else find(name))
    options, _ = given
    monkeypatch.setattr(optional, "missing", lambda extra: [package])
    extra = many.EXTRAS[engine]
    reason = f"--engine {engine} needs the package {package}; install it by python -m pip install 'mrcnn[{extra}]'"
    with pytest.raises(UserError, match=re.escape(reason)):
        run(*options, "--engine", engine)


def command(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "mrcnn", *map(str, arguments)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_a_real_network_in_workers_finds_what_it_finds_here(tmp_path):
    write_model(tmp_path / "model")
    for index in range(5):
        helpers.write_image(tmp_path / "photos" / f"{index}.png", 40 + 30 * index, 60, 60 * index)
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no image")
    given = ("--model", tmp_path / "model", "--images", tmp_path / "photos", "--score-threshold", "0",
             "--device", "cpu", "--log-format", "json")  # fmt: skip
    command("infer", *given, "--output", tmp_path / "plain")
    command("infer", *given, "--output", tmp_path / "out", "--engine", "local", "--workers", "2", "--shard-size", "2")
    done = job.open_job(str(tmp_path / "out"))
    assert done.missing() == []
    found = [row for shard in range(done.shards) for row in done.rows_of(shard) if row["error"] is None]
    predictor = Predictor.load(tmp_path / "model", score_threshold=0, device="cpu")
    paths = [tmp_path / "photos" / f"{index}.png" for index in range(5)]
    expected = map(rows.of_detections, map(str, paths), predictor.predict_compact(paths))
    assert found == rows.decode(rows.encode(expected))
    assert merge.main([str(tmp_path / "out"), "--coco", str(tmp_path / "new" / "predictions.json"), "--project",
                       str(tmp_path / "new" / "photos"), "--log-format", "json"]) == 0  # fmt: skip
    (tmp_path / "plain" / ".mrcnn.lock").unlink(missing_ok=True)
    assert tree(tmp_path / "new") == tree(tmp_path / "plain")


@pytest.mark.parametrize(
    ("output", "place"),
    [
        ("s3://bucket/found", "s3://bucket/found"),
        ("file:///data/found", "/data/found"),
        ("local:///data/found", "/data/found"),
        ("/data/found", "/data/found"),
        ("found", "found"),
    ],
)
def test_url_of_an_output(output, place):
    assert many._url(Path(output)) == place
