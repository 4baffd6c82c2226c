"""Reads how images enter and detections leave an exported file that holds the network alone."""

from mrcnn.errors import UserError
from mrcnn.predict import exported_settings
from mrcnn.predict.exported_settings import ExportedSettings
from mrcnn.predict.image_function import InputRules
from mrcnn.structures import OutputRules


def read(known: ExportedSettings) -> InputRules:
    """Reads from the metadata how an image enters the network and detections leave it.

    Raises:
        UserError: a setting is missing.
    """
    settings = known.settings
    facts = known.facts
    try:
        return InputRules(
            facts.class_names,
            facts.min_dim,
            facts.max_dim,
            channels=facts.channels,
            image_resize=settings["image_resize"],
            rules=OutputRules(**{name: settings[name] for name in OutputRules._fields}),
            shape=settings["shape"],
            fit=settings["fit"],
            maps=tuple(facts.maps),
        )
    except KeyError as error:
        raise UserError(exported_settings.NO_EXPORT) from error
