"""Builds the metadata block of a model card, which the Hugging Face Hub reads.

Source: the Hub's model card metadata (`hub-docs/modelcard.md`).
"""

from collections.abc import Mapping
from typing import Any

import yaml

from mrcnn.card import impact
from mrcnn.card.contents import Contents
from mrcnn.evaluate import table

LIBRARY = "keras"
TASK = "image-segmentation"  # the Hub has no task of its own for instances
TASK_NAME = "Instance segmentation"
TAGS = ("instance-segmentation", "object-detection", "mask-rcnn")


def block(contents: Contents) -> str:
    """Builds the block with its lines of dashes; keys without a value are left out."""
    text = yaml.safe_dump(values(contents), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---"


def values(contents: Contents) -> dict[str, Any]:
    """Collects the keys and values of the block."""
    texts = contents.texts
    found = {
        "license": texts.license,
        "license_name": texts.license_name,
        "license_link": texts.license_link,
        "library_name": LIBRARY,
        "pipeline_tag": TASK,
        "tags": list(dict.fromkeys((*TAGS, *texts.tags))),
        "datasets": list(texts.datasets),
        "base_model": texts.base_model,
        "co2_eq_emissions": _emissions(contents),
        "model-index": _index(contents),
    }
    return {name: value for name, value in found.items() if value}


def _emissions(contents: Contents) -> dict[str, Any]:
    found = impact.of(contents)
    if found is None:
        return {}
    hardware = ", ".join(impact.hardware(contents))
    more = {"geographical_location": found.place, "hardware_used": hardware}
    return {
        "emissions": float(f"{found.grams:.3g}"),
        "source": found.source,
        "training_type": impact.training_type(contents),
        **{name: value for name, value in more.items() if value},
    }


def _index(contents: Contents) -> list[Mapping[str, Any]]:
    """Builds the results; none without a measured one."""
    labels = table.labels()
    measured = [
        {"type": name, "name": labels[name], "value": round(value, 4)}
        for name, value in contents.metrics.items()
        if name in labels and value is not None
    ]
    if not measured:
        return []
    name = contents.facts.data.name if contents.facts else ""
    data = {"type": "custom", "name": name or "validation images of the training", "split": "validation"}
    result = {"task": {"type": TASK, "name": TASK_NAME}, "dataset": data, "metrics": measured}
    return [{"name": contents.title, "results": [result]}]
