"""The model that training starts from: its weights and the settings taken from its config.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrcnn.config import compatibility, family
from mrcnn.config.model import DEFAULT_FAMILY, ModelConfig
from mrcnn.errors import UserError
from mrcnn.model_folder import foreign_file, locate, lone_file
from mrcnn.model_folder.record import Record
from mrcnn.weights import foreign, hdf5


@dataclass(frozen=True)
class StartModel:
    """The files of the model that training starts from.

    Attributes:
        weights: HDF5 file with weights by layer name, or a weight file of another code base.
        record: config.json of the model folder; None without one, as for a single file.
    """

    weights: Path
    record: Record | None = None

    def class_title_to_idx(self) -> Mapping[str, int]:
        """Returns the class ids for training that continues an earlier one.

        Returns:
            The class id of each title.

        Raises:
            UserError: there is no config.json, or it has no class mapping.
        """
        if self.record is None:
            raise UserError(
                f"Unable to continue_training, config for previous training wasn't found beside {self.weights}: give a "
                "model folder with config.json, or use `weights_init_type` transfer_learning"
            )
        mapping = self.record.class_title_to_idx
        if mapping is None:
            raise UserError(f"Unable to continue_training, {self.record.path} does not have class mapping information")
        return mapping

    def other_size(self, min_dim: int, max_dim: int) -> str | None:
        """Describes how the input size differs from the one the weights were trained at.

        Args:
            min_dim: of the new training, pixels.
            max_dim: of the new training, pixels.

        Returns:
            One line; None if the sizes are equal or config.json has no input size.
        """
        size = self.record.input_size if self.record else {}
        before = (size.get("min_dim", min_dim), size.get("max_dim", max_dim))
        if before == (min_dim, max_dim):
            return None
        return (
            f"`input_size` min_dim {min_dim} and max_dim {max_dim} are not those of the start weights, {before[0]} and "
            f"{before[1]}: objects of other sizes in pixels have to be learnt anew"
        )

    def input_shape(self) -> str:
        """Finds the shape of the model input that the weights were trained with.

        Returns:
            Without config.json `rectangle` for a file of another code base, else `square`.
        """
        if self.record is not None:
            return self.record.input_shape
        return "rectangle" if foreign.is_foreign(self.weights) else "square"

    def conventions(self) -> dict[str, Any]:
        """Returns the network settings and conventions that the weights were trained with.

        Returns:
            As `ModelConfig.trained_with`. Without config.json they are those of `lone_file.start_config`, or of
            `foreign_file.model_config`.

        Raises:
            UserError: the key `model` of config.json is malformed, or the file of another code base is no detector.
        """
        if self.record is not None:
            return self.record.model().trained_with()
        if foreign.is_foreign(self.weights):
            return foreign_file.model_config(foreign_file.read_detector(self.weights)).trained_with()
        return lone_file.start_config(self.weights).trained_with()

    def remark(self) -> str | None:
        """Describes what is assumed for a weight file without config.json.

        Returns:
            One line; None with a config.json, or where nothing has to be assumed.

        Raises:
            UserError: the file cannot be read.
        """
        if self.record is not None:
            return None
        if foreign.is_foreign(self.weights):
            detector = foreign_file.read_detector(self.weights)
            return next(
                iter(foreign_file.epsilon_remarks(detector, fix="set `model.norm_epsilon` in the config")), None
            )
        with hdf5.read_file(self.weights) as file:
            return lone_file.remark(self.weights) if file.writer == hdf5.WRITER else None


def check_family(given: Mapping[str, Any], start: Mapping[str, Any]) -> None:
    """Checks that a train config does not name another model family than its start weights have.

    Args:
        given: as for `taken_over`.
        start: as for `taken_over`.

    Raises:
        UserError: the config gives another family.
    """
    theirs = start.get("family", DEFAULT_FAMILY)
    ours = given.get("family", theirs)
    if ours != theirs:
        raise UserError(
            f"`model.family` must be {theirs}, as of the start weights, got {ours}; leave it out or give other weights"
        )


def taken_over(given: Mapping[str, Any], start: Mapping[str, Any]) -> dict[str, Any]:
    """Selects the sizes and conventions of the start weights that a train config leaves open.

    Args:
        given: the keys of the train config's `model` that the user gave. They take precedence; with `compatibility`
            among them, no convention is taken over.
        start: from `StartModel.conventions`.

    Returns:
        The selected items of `start`.
    """
    return {name: start[name] for name in start if name not in given and name not in compatibility.settled(given)}


def is_older(taken: Mapping[str, Any]) -> bool:
    """Checks whether the settings taken over include a convention of older code."""
    return bool(taken.get("compatibility") or taken.keys() & compatibility.BETTER.keys())


def keep_conventions(given: Mapping[str, Any], start: Mapping[str, Any]) -> ModelConfig:
    """Combines the user's model settings with those taken over from the start weights.

    Args:
        given: as for `taken_over`.
        start: as for `taken_over`.

    Raises:
        UserError: a key that the user gave contradicts a convention that was taken over.
    """
    return family.check_model({**taken_over(given, start), **given})


def find_start_model(model: str) -> StartModel:
    """Finds the start weights that `--model` refers to, and reads their config.json.

    Args:
        model: as for `locate.find_start`. A weight file is used with the config.json of its model folder if it has
            one.

    Raises:
        UserError: there is no weight file, or config.json cannot be read; the message says what is expected.
    """
    found = locate.find_start(model)
    return StartModel(found.weights, Record.read(found.config) if found.config else None)
