"""The base of formats whose exported file a runtime of `predict.runtimes` opens."""

from collections.abc import Mapping
from pathlib import Path

from mrcnn import optional
from mrcnn.export.exportable import DetectorSettings
from mrcnn.export.formats.format import Format
from mrcnn.predict import pasted
from mrcnn.predict.outputs import ImageFunction
from mrcnn.predict.runtimes import table


class OneFile(Format):
    """A format of one file, which needs the packages of an extra.

    Attributes:
        extra: name of the extra in `optional.EXTRAS`.
        purpose: the feature that needs it, for messages.
        function: name of the file's function in the proof.
        file: name of the file in the folder.
    """

    extra: str
    purpose: str
    function: str
    file: str

    def limits(self, settings: DetectorSettings) -> list[str]:
        """Checks that the packages are installed; see `Format.limits`.

        Raises:
            UserError: a package is missing.
        """
        optional.require(self.extra, purpose=self.purpose)
        return []

    def open(self, folder: Path, settings: DetectorSettings) -> Mapping[str, ImageFunction]:
        """Opens the file in its runtime on the CPU; see `Format.open`.

        Raises:
            ValueError: no runtime opens files of its ending.
        """
        located = table.locate(folder / self.file)
        if located is None:
            raise ValueError(f"no runtime of `runtimes.table` opens {self.file}")
        opened = table.open_located(located)
        return {self.function: lambda image: pasted.dense(opened.run(image, opened.outputs), image.shape[:2])}
