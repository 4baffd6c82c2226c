import yaml

from mrcnn.card import metadata

from . import made


def test_block_is_yaml_between_dashes(tmp_path):
    text = metadata.block(made.contents(tmp_path))
    assert text.startswith("---\n")
    assert text.endswith("\n---")
    assert yaml.safe_load(text[4:-4]) == metadata.values(made.contents(tmp_path))


def test_values_of_a_run(tmp_path):
    own = made.texts(license="mit", datasets=("me/pets",), tags=("pets", "mask-rcnn"), base_model="a/b")
    found = metadata.values(made.contents(tmp_path, texts=own))
    assert found["license"] == "mit"
    assert found["library_name"] == "keras"
    assert found["pipeline_tag"] == "image-segmentation"
    assert found["tags"] == ["instance-segmentation", "object-detection", "mask-rcnn", "pets"]
    assert found["datasets"] == ["me/pets"]
    (index,) = found["model-index"]
    (result,) = index["results"]
    assert (index["name"], result["dataset"]["name"]) == ("run", "pets")
    assert {item["type"]: item["value"] for item in result["metrics"]} == {
        "box_ap": 0.5, "box_ap50": 0.75, "mask_ap": 0.25,
    }  # fmt: skip


def test_values_have_emissions_in_grams(tmp_path):
    found = metadata.values(made.contents(tmp_path))["co2_eq_emissions"]
    assert found == {
        "emissions": 665.0,  # see test_impact.py
        "source": "estimate of mrcnn: hours x watts x grams per kWh",
        "training_type": "pre-training",
        "hardware_used": "2 x Some GPU, Some CPU, 8 cores, 64 GB of memory",
    }


def test_values_leave_out_what_is_not_known(tmp_path):
    found = metadata.values(made.contents(tmp_path, facts=None, rows=(), config={}))
    assert set(found) == {"library_name", "pipeline_tag", "tags"}
