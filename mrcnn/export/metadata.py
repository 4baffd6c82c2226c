"""The metadata of exported files, which `predict.exported_settings` reads."""

import json
from collections.abc import Mapping
from typing import Any

from mrcnn.export.exportable import DetectorSettings, Exportable
from mrcnn.predict.exported_settings import FLOAT32, FORMAT_VERSION, LABELS, SETTINGS, WEIGHTS


def texts(model: Exportable) -> dict[str, str]:
    """Builds the metadata of an exported file.

    Returns:
        JSON texts by name: `labels`, the content of labels.json; `settings`, what a caller must know of the graph.
    """
    content = {LABELS: dict(model.labels), SETTINGS: settings(model)}
    return {name: json.dumps(values, ensure_ascii=False) for name, values in content.items()}


def settings(model: Exportable) -> dict[str, Any]:
    """Collects what a caller must know of an exported graph; values that JSON can hold."""
    known = model.settings
    return {
        "format_version": FORMAT_VERSION,
        "class_names": known.class_names,
        "channels": known.channels,
        "image_range": known.image_range,
        "min_dim": known.min_dim,
        "max_dim": known.max_dim,
        "shape": known.shape,
        "image_resize": known.image_resize,
        "fit": known.fit,
        "maps": known.maps,
        **model.choices._asdict(),
        **known.rules._asdict(),
        **_of_network(known),
        WEIGHTS: FLOAT32,
        **model.known,
    }


def with_weights(texts: Mapping[str, str], weights: str) -> dict[str, str]:
    """Changes the metadata of a file whose weights are reduced.

    Args:
        texts: JSON texts by name, as from `texts`; without `settings` they stay as they are.
        weights: the kind of the weights.
    """
    if SETTINGS not in texts:
        return dict(texts)
    content = {**json.loads(texts[SETTINGS]), WEIGHTS: weights}
    return {**texts, SETTINGS: json.dumps(content, ensure_ascii=False)}


def _of_network(known: DetectorSettings) -> dict[str, Any]:
    """Collects the settings of the extra fields, and those that the training needed."""
    if known.model is None:
        return {}
    values = known.model.model_dump(mode="json")
    fields = {name: values.get(name) for name in known.fields}
    return {"fields": fields, "needs": known.model.needs}
