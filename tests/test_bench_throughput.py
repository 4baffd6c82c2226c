"""The benchmark of whole inference runs, without a run."""

from benchmarks import throughput
from tests.predict import helpers


def test_repeat_links_images_until_there_are_enough(tmp_path):
    for index, name in enumerate(("a.png", "b.png")):
        helpers.write_image(tmp_path / "photos" / name, 4, 4, index)
    folder = throughput.repeat([str(tmp_path / "photos")], tmp_path / "links", count=3)
    links = sorted(folder.iterdir())
    assert [link.name for link in links] == ["00000.png", "00001.png", "00002.png"]
    assert [link.readlink().name for link in links] == ["a.png", "b.png", "a.png"]


def test_table_of_a_run():
    measured = {
        "startup": 4.25,
        "first": 3.0,
        "wall": 20.0,
        "inside": 19.0,
        "images": 50,
        "processor": 44.0,
        "memory": 1.5,
    }
    lines = [" ".join(line.split()) for line in throughput.table(measured, count=51).splitlines()]
    assert lines == [
        "51 images",
        "start-up, command to first batch 4.2 s",
        "first batch, with building the graph 3.0 s",
        "after the first batch 20.0 s",
        "of it inside the model 19.0 s",
        "share of wall time outside the model 5.0%",  # 1 - 19 / 20
        "images/s 2.50",  # 50 / 20
        "processor time of the run 44.0 s",
        "peak memory 1.50 GB",
    ]
