"""Adapts the extra fields of a run, such as keypoints, to its model and data."""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from mrcnn.config.train import TrainConfig
from mrcnn.data import classes
from mrcnn.data.sources.source import Source
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.fields import table
from mrcnn.fields.table import Fields
from mrcnn.project.annotation import Label


def settle(
    config: TrainConfig, names: Collection[str], source: Source, *, known: Mapping[str, int] | None, log: EventLog
) -> TrainConfig:
    """Finds the settings of the fields in the data where the config leaves them open.

    Args:
        config: the settings of the run.
        names: of the extra fields that the run reads.
        source: the data.
        known: class ids of the trained model whose classes are kept; None to assign new ones.
        log: receives what was found.

    Returns:
        The config with `model.<name>` for each field that has settings.

    Raises:
        UserError: the data lacks what a field needs.
    """
    facts = _by_class(config, source, known)
    found: dict[str, Any] = {}
    for name in names:
        given = getattr(config.model, name, None)
        settled = table.named(name).settled(given, facts, objects=_objects(source))
        for line in settled.remarks:
            log.info(line)
        if settled.settings is not given:
            found[name] = settled.settings
    return config.model_copy(update={"model": config.model.model_copy(update=found)}) if found else config


def of_run(config: TrainConfig, names: Collection[str], source: Source) -> Fields:
    """Adapts the fields of a run to the model's settings and the data's annotations."""
    return table.of_data(table.of_model(names, config.model), source.class_facts)


def _objects(source: Source) -> Iterator[tuple[Label, ...]]:
    """Reads the objects of all images; annotations that are malformed are left out, and reported by `load_samples`."""
    for item in source.items:
        with contextlib.suppress(UserError):
            yield from item.read_annotation(source.meta).objects()


def _by_class(config: TrainConfig, source: Source, known: Mapping[str, int] | None) -> list[Mapping[str, Any]]:
    """Lists the further values of the data's classes by class id, from 1."""
    special = config.special_classes
    titles = [item.title for item in source.meta.classes if item.title not in special.stuff]
    mapping = known or classes.class_mapping(titles, special.background, special.neutral, place=source.classes_in)
    return [
        source.class_facts.get(title, {}) for title, index in sorted(mapping.items(), key=lambda item: item[1]) if index
    ]
