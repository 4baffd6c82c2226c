"""Merging: the same files as the plain run of `mrcnn infer` writes."""

import json

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")

from mrcnn.annotate import run as annotating
from mrcnn.config.load import load_inference_config
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.predict import sources
from mrcnn.scale import job, manifest, merge, rows, worker
from mrcnn.scale.job import Work
from tests.annotate.runs import tree
from tests.scale import toy

CONFIG = {"mode": {"name": "full_image", "model_classes": {"save_names": "__all__", "add_suffix": "_found"}}}


@pytest.fixture
def images(tmp_path):
    """Images in a folder and a subfolder; one is broken."""
    toy.write_images(tmp_path / "photos" / "sub", 3)
    return toy.write_images(tmp_path / "photos", 9, broken=[4])


def finished(images, output, *, config=CONFIG, shard_size=4):
    """Does a whole job in this process."""
    work = Work(str(output), "m", config=config, opener=toy.OPENER)
    about = worker.describe(work)
    facts = {"same": {"classes": about.class_names, "config": config}, "class_metas": about.class_metas}
    found = job.start(
        work.output,
        manifest.find([images], recursive=True),
        shard_size=shard_size,
        facts={**facts, "fields": about.fields},
    )
    for shard in range(found.shards):
        worker.ShardWorker(work).run(shard)
    return merge.open_complete(work.output)


@pytest.fixture
def plain(images, tmp_path):
    """The output of `mrcnn infer` on the same images."""
    annotating.apply(
        toy.BrightAreas("m"),
        sources.open_images([images], recursive=True),
        tmp_path / "plain",
        config=load_inference_config(CONFIG),
        log=JsonLog(),
        options=annotating.Options(),
    )
    return tmp_path / "plain"


def test_to_coco_writes_the_files_of_a_plain_run(images, plain, tmp_path):
    found = finished(images, tmp_path / "out")
    # areas: number % 4 of images 0..8 without 4, 0 1 2 3 1 2 3 0 = 12, and 0 1 2 = 3 in the subfolder
    assert merge.to_coco(found, tmp_path / "new" / "predictions.json", log=JsonLog()) == 15
    for name in ("predictions.json", "predictions_results.json"):
        assert (tmp_path / "new" / name).read_bytes() == (plain / name).read_bytes()


def test_to_project_writes_the_project_of_a_plain_run(images, plain, tmp_path):
    assert merge.to_project(finished(images, tmp_path / "out"), tmp_path / "new", log=JsonLog()) == 11
    assert tree(tmp_path / "new") == tree(plain / "photos")
    image = "ds/img/0003.png"
    assert (tmp_path / "new" / image).samefile(images / "0003.png")  # a hard link


def test_to_project_downloads_images(tmp_path, images):
    for path in images.glob("*.png"):
        job.storage.write_bytes(f"memory://merge/photos/{path.name}", path.read_bytes())
    found = finished("memory://merge/photos", tmp_path / "out")
    assert merge.to_project(found, tmp_path / "new", log=JsonLog()) == 8
    assert (tmp_path / "new" / "ds" / "img" / "0003.png").read_bytes() == (images / "0003.png").read_bytes()


def test_to_coco_without_detections(tmp_path):
    found = finished(toy.write_images(tmp_path / "photos", 1), tmp_path / "out")
    assert merge.to_coco(found, tmp_path / "x.json", log=JsonLog()) == 0
    assert json.loads((tmp_path / "x.json").read_text())["annotations"] == []
    assert json.loads((tmp_path / "x_results.json").read_text()) == []


def test_merging_has_extra_fields(tmp_path):
    found = finished(toy.write_images(tmp_path / "photos", 2), tmp_path / "out")
    [empty, row] = found.rows_of(0)
    row["extras"] = [json.dumps({"keypoints": [[1.0, 2.0, 0.5], [3.0, 4.0, 0.0]]})]
    job.storage.write_bytes(found.place_of(0), rows.encode([empty, row]))
    settings = {"names": ["nose", "tail"], "pairs": []}
    found = job.Job(found.place, {**found.facts, "fields": {"keypoints": settings}})
    merge.to_coco(found, tmp_path / "x.json", log=JsonLog())
    content = json.loads((tmp_path / "x.json").read_text())
    assert content["categories"][0]["keypoints"] == ["nose", "tail"]
    assert content["annotations"][0]["keypoints"][:2] == [0.5, 1.5]  # COCO counts from the centre of the first pixel
    merge.to_project(found, tmp_path / "new", log=JsonLog())
    [figures] = [
        objects
        for path in (tmp_path / "new" / "ds" / "ann").iterdir()
        if (objects := json.loads(path.read_text())["objects"])
    ]
    assert [item["geometryType"] for item in figures] == ["bitmap", "graph"]


def test_open_complete_refuses_an_unfinished_job(images, tmp_path):
    found = finished(images, tmp_path / "out")
    job.storage.remove(found.place_of(1))
    with pytest.raises(UserError, match=r"is not complete: 1 of 3 shards are missing; start it again"):
        merge.open_complete(found.place)


def test_area_of_run_lengths():
    assert merge.area({"size": [3, 4], "counts": "32103"}) == 4  # 2 + 2 set pixels, see test_rows
    assert merge.area({"size": [3, 4], "counts": "039"}) == 3
