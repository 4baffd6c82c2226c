import pytest

from mrcnn.card import impact
from mrcnn.card.facts import Energy, Gpu, Machine, Process
from mrcnn.card.markdown import UNKNOWN

from . import made


def test_hardware_names_each_machine_once(tmp_path):
    assert impact.hardware(made.contents(tmp_path)) == ["2 x Some GPU, Some CPU, 8 cores, 64 GB of memory"]
    assert impact.hardware(made.contents(tmp_path, facts=None)) == []
    other = Process(began="2026", machine=Machine(cores=1))
    nothing = Process(began="2026", machine=Machine())
    facts = made.FACTS.model_copy(update={"processes": (*made.FACTS.processes, other, nothing)})
    assert impact.hardware(made.contents(tmp_path, facts=facts))[1:] == ["1 core"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("imagenet", "pre-training"), ("transfer_learning", "fine-tuning"), ("continue_training", "fine-tuning")],
)
def test_training_type(tmp_path, kind, expected):
    found = made.contents(tmp_path, config={"settings": {"weights_init_type": kind}})
    assert impact.training_type(found) == expected


def test_section(tmp_path):
    lines = impact.section(made.contents(tmp_path, texts=made.texts(cloud_provider="Own"))).split("\n")
    assert lines[0] == "- **Hardware Type:** 2 x Some GPU, Some CPU, 8 cores, 64 GB of memory"
    assert lines[1] == "- **Hours used:** 2, with validation, in 2 processes"
    assert lines[2:4] == ["- **Cloud Provider:** Own", "- **Compute Region:** *not stated*"]


def test_section_says_what_is_not_known(tmp_path):
    lines = impact.section(made.contents(tmp_path, facts=None)).split("\n")
    assert lines[0] == f"- **Hardware Type:** {UNKNOWN}"
    assert lines[1] == f"- **Hours used:** {UNKNOWN}"
    assert lines[-1] == f"- **Carbon Emitted:** {UNKNOWN}"
    assert not any(line.startswith("- **Energy") for line in lines)
    incomplete = made.FACTS.model_copy(update={"is_complete": False})
    assert "at least 2, with" in impact.section(made.contents(tmp_path, facts=incomplete))


@pytest.mark.parametrize(
    ("machine", "watts"),
    [
        (Machine(), 100),
        (Machine(gpus=(Gpu(name="a", watts=300), Gpu(name="b", watts=50))), 450),  # 300 + 50 + 100
        (Machine(gpus=(Gpu(name="a", watts=300), Gpu(name="b"))), None),
    ],
)
def test_watts_of(machine, watts):
    assert impact.watts_of(machine) == watts


def test_of_is_an_estimate_that_names_its_factors(tmp_path):
    found = impact.of(made.contents(tmp_path))
    assert found.kwh == pytest.approx(1.4)  # 2 h x (2 x 300 W + 100 W)
    assert found.grams == pytest.approx(665)  # x 475 g
    assert found.explanation == (
        "an estimate, no measurement: hours x 700 W (the power limits of the GPUs, and 100 W assumed for the computer "
        "beside them) x 475 g per kWh (average of the world)"
    )
    lines = impact.section(made.contents(tmp_path)).split("\n")
    assert lines[-2] == "- **Energy:** 1.4 kWh"
    assert lines[-1].startswith("- **Carbon Emitted:** 665 g of CO2 equivalents; an estimate, no measurement")


def test_of_uses_the_users_factors(tmp_path):
    unknown = Process(began="2026", seconds=36000, machine=Machine(gpus=(Gpu(name="a"),)))
    facts = made.FACTS.model_copy(update={"processes": (unknown,)})
    assert impact.of(made.contents(tmp_path, facts=facts)) is None  # nothing is known of the GPU's power
    own = made.texts(watts=250, grams_per_kwh=400, cloud_region="eu-north")
    found = impact.of(made.contents(tmp_path, facts=facts, texts=own))
    assert (found.kwh, found.grams, found.place) == (2.5, 1000, "eu-north")  # 10 h x 250 W, x 400 g
    assert found.explanation.endswith("hours x 250 W (as stated in card.yaml) x 400 g per kWh (as stated in card.yaml)")
    text = impact.section(made.contents(tmp_path, facts=facts, texts=own))
    assert "- **Carbon Emitted:** 1 kg of CO2" in text


def measured(*energies):
    return made.FACTS.model_copy(
        update={"processes": tuple(Process(began="2026", seconds=3600, energy=energy) for energy in energies)}
    )


def test_of_measured_processes_adds_them(tmp_path):
    parts = [Energy(kwh=kwh, kg_co2=kg, source="CodeCarbon 3", country="DEU") for kwh, kg in ((0.5, 0.25), (1, 0.5))]
    found = impact.of(made.contents(tmp_path, facts=measured(*parts)))
    assert (found.kwh, found.grams, found.source, found.place) == (1.5, 750, "CodeCarbon 3", "DEU")
    assert found.explanation.startswith("by CodeCarbon 3 for the whole computer")
    nowhere = parts[0].model_copy(update={"country": ""})
    assert impact.of(made.contents(tmp_path, facts=measured(nowhere))).place is None


def test_of_partly_measured_processes_is_an_estimate(tmp_path):
    part = Energy(kwh=5, kg_co2=5, source="CodeCarbon 3", country="DEU")
    found = impact.of(made.contents(tmp_path, facts=measured(part, None)))
    assert found.kwh == pytest.approx(0.2)  # 2 h x 100 W
    assert "100 W (100 W assumed for the computer)" in found.explanation


def test_of_nothing(tmp_path):
    assert impact.of(made.contents(tmp_path, facts=None)) is None
    assert impact.of(made.contents(tmp_path, facts=made.FACTS.model_copy(update={"processes": ()}))) is None
