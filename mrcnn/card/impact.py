"""Describes the environmental impact of a training: hardware, hours, energy and emissions."""

from typing import NamedTuple

from mrcnn.card.contents import Contents
from mrcnn.card.facts import Machine, Session
from mrcnn.card.markdown import UNKNOWN, UNSTATED, escaped, items
from mrcnn.errors import counted

STARTS = {"transfer_learning": "fine-tuning", "continue_training": "fine-tuning"}  # by `weights_init_type`


class Impact(NamedTuple):
    """Energy and emissions of a training.

    Attributes:
        kwh: kilowatt hours.
        grams: of CO2 equivalents.
        source: where the figures are from, for the metadata.
        explanation: the same with the factors, in Markdown.
        place: country whose electricity is assumed; None for the average of the world.
    """

    kwh: float
    grams: float
    source: str
    explanation: str
    place: str | None = None


def of(contents: Contents) -> Impact | None:
    """Finds energy and emissions; None where they are not known."""
    return None


def training_type(contents: Contents) -> str:
    """Returns the Hub's word for the training: `fine-tuning` of a detector, else `pre-training`."""
    return STARTS.get(str(contents.settings.get("weights_init_type")), "pre-training")


def hardware(contents: Contents) -> list[str]:
    """Describes each machine of a run once."""
    sessions = contents.facts.sessions if contents.facts else ()
    return list(dict.fromkeys(filter(None, (_described(session.machine) for session in sessions))))


def section(contents: Contents) -> str:
    """Builds the section's text."""
    texts = contents.texts
    return items(
        [
            ("Hardware Type", escaped("; ".join(hardware(contents))) or UNKNOWN),
            ("Hours used", _hours(contents)),
            ("Cloud Provider", texts.cloud_provider or UNSTATED),
            ("Compute Region", texts.cloud_region or UNSTATED),
            *_emitted(of(contents)),
        ]
    )


def _emitted(found: Impact | None) -> list[tuple[str, str]]:
    if found is None:
        return [("Carbon Emitted", UNKNOWN)]
    grams = f"{found.grams / 1000:.3g} kg" if found.grams >= 1000 else f"{found.grams:.3g} g"
    return [("Energy", f"{found.kwh:.3g} kWh"), ("Carbon Emitted", f"{grams} of CO2 equivalents; {found.explanation}")]


def _hours(contents: Contents) -> str:
    if contents.facts is None or not contents.facts.sessions:
        return UNKNOWN
    sessions: tuple[Session, ...] = contents.facts.sessions
    least = "" if contents.facts.is_complete else "at least "
    parts = f", in {len(sessions)} sessions" if len(sessions) > 1 else ""
    return f"{least}{contents.facts.hours:.3g}, with validation{parts}"


def _described(machine: Machine) -> str:
    gpus = [gpu.name for gpu in machine.gpus]
    names = [f"{gpus.count(name)} x {name}" if gpus.count(name) > 1 else name for name in dict.fromkeys(gpus)]
    cores = counted(machine.cores, "core") if machine.cores else None
    memory = f"{machine.memory_gb:.0f} GB of memory" if machine.memory_gb else None
    return ", ".join(part for part in (*names, machine.cpu, cores, memory) if part)
