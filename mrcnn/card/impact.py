"""Describes the environmental impact of a training: hardware, hours, energy and emissions."""

from collections.abc import Sequence
from typing import NamedTuple

from mrcnn.card.contents import Contents
from mrcnn.card.facts import Energy, Machine, Process
from mrcnn.card.markdown import UNKNOWN, UNSTATED, escaped, items
from mrcnn.errors import counted

REST_WATTS = 100.0  # assumed power of a computer at work, without GPUs: between a laptop and a server
WORLD_GRAMS = 475.0  # CO2 equivalents per kWh, average of the world in CodeCarbon's tables
ESTIMATE = "estimate of mrcnn: hours x watts x grams per kWh"
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
    """Finds energy and emissions: measured where all processes were, else estimated; None where neither is possible."""
    processes = contents.facts.processes if contents.facts else ()
    if not processes:
        return None
    if all(process.energy for process in processes):
        return _measured([process.energy for process in processes if process.energy])
    return _estimated(contents, processes)


def watts_of(machine: Machine) -> float | None:
    """Estimates the power of a machine: the power limits of its GPUs and `REST_WATTS`; None without a GPU's limit."""
    limits = [gpu.watts for gpu in machine.gpus]
    return None if None in limits else sum(filter(None, limits)) + REST_WATTS


def training_type(contents: Contents) -> str:
    """Returns the Hub's word for the training: `fine-tuning` of a detector, else `pre-training`."""
    return STARTS.get(str(contents.settings.get("weights_init_type")), "pre-training")


def hardware(contents: Contents) -> list[str]:
    """Describes each machine of a run once."""
    processes = contents.facts.processes if contents.facts else ()
    return list(dict.fromkeys(filter(None, (_described(process.machine) for process in processes))))


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


def _measured(parts: Sequence[Energy]) -> Impact:
    kwh, grams = sum(part.kwh for part in parts), 1000 * sum(part.kg_co2 for part in parts)
    source = ", ".join(dict.fromkeys(part.source for part in parts))
    places = list(dict.fromkeys(part.country for part in parts if part.country))
    place = ", ".join(places) or None
    told = (
        f"by {escaped(source)} for the whole computer; without a power meter of the CPU it models the power. "
        f"Electricity: {escaped(place or 'average of the world')}"
    )
    return Impact(kwh, grams, source, told, place)


def _estimated(contents: Contents, processes: Sequence[Process]) -> Impact | None:
    own = contents.texts
    powers = [watts_of(process.machine) if own.watts is None else own.watts for process in processes]
    known = [power for power in powers if power is not None]
    if len(known) < len(powers):
        return None
    kwh = sum(process.seconds / 3600 * power / 1000 for process, power in zip(processes, known, strict=True))
    factor = WORLD_GRAMS if own.grams_per_kwh is None else own.grams_per_kwh
    watts = " and ".join(f"{power:g} W" for power in dict.fromkeys(known))
    why = "as stated in card.yaml" if own.watts is not None else _power_source(processes)
    whose = "average of the world" if own.grams_per_kwh is None else "as stated in card.yaml"
    told = f"an estimate, no measurement: hours x {watts} ({why}) x {factor:g} g per kWh ({whose})"
    return Impact(kwh, kwh * factor, ESTIMATE, told, own.cloud_region)


def _power_source(processes: Sequence[Process]) -> str:
    rest = f"{REST_WATTS:g} W assumed for the computer"
    has_gpus = any(process.machine.gpus for process in processes)
    return f"the power limits of the GPUs, and {rest} beside them" if has_gpus else rest


def _emitted(found: Impact | None) -> list[tuple[str, str]]:
    if found is None:
        return [("Carbon Emitted", UNKNOWN)]
    grams = f"{found.grams / 1000:.3g} kg" if found.grams >= 1000 else f"{found.grams:.3g} g"
    return [("Energy", f"{found.kwh:.3g} kWh"), ("Carbon Emitted", f"{grams} of CO2 equivalents; {found.explanation}")]


def _hours(contents: Contents) -> str:
    if contents.facts is None or not contents.facts.processes:
        return UNKNOWN
    processes: tuple[Process, ...] = contents.facts.processes
    least = "" if contents.facts.is_complete else "at least "
    parts = f", in {len(processes)} processes" if len(processes) > 1 else ""
    return f"{least}{contents.facts.hours:.3g}, with validation{parts}"


def _described(machine: Machine) -> str:
    gpus = [gpu.name for gpu in machine.gpus]
    names = [f"{gpus.count(name)} x {name}" if gpus.count(name) > 1 else name for name in dict.fromkeys(gpus)]
    cores = counted(machine.cores, "core") if machine.cores else None
    memory = f"{machine.memory_gb:.0f} GB of memory" if machine.memory_gb else None
    return ", ".join(part for part in (*names, machine.cpu, cores, memory) if part)
