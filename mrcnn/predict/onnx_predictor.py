"""A predictor of an exported ONNX file, without TensorFlow and Keras."""

from pathlib import Path

from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.runtimes import table

ONNX = next(kind for kind in table.KINDS if kind.format == "onnx")


class OnnxPredictor(ExportedPredictor):
    """Finds objects in images of any size with an ONNX file, whatever its ending; see `ExportedPredictor`."""

    @classmethod
    def load(cls, model: str | Path, *, threads: int | None = None) -> ExportedPredictor:
        """Opens an exported file in ONNX Runtime on the CPU.

        Args:
            model: path of the ONNX file.
            threads: number of threads that compute an image; None for one per core.

        Raises:
            UserError: ONNX Runtime is not installed, or the file is missing, damaged, or no export of this package.
        """
        return cls.of_located(table.Located(Path(model), ONNX), threads=threads)
