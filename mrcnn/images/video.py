"""Reads and writes videos, frame by frame, by OpenCV's FFmpeg."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import cv2
import numpy as np

from mrcnn import files
from mrcnn.errors import UserError
from mrcnn.images import limits

EXTENSIONS = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv"})
CODEC = "mp4v"  # MPEG-4 Part 2, which OpenCV's wheels can write on every system; they have no encoder of H.264
USUAL_RATE = 25.0  # frames a second of a video that does not tell
CHANNELS = 3


class Video(NamedTuple):
    """What a video's header tells.

    Attributes:
        path: the file.
        rate: frames a second.
        frames: their number, which some headers only estimate; 0 where it is unknown.
    """

    path: Path
    rate: float
    frames: int


def is_video(path: Path) -> bool:
    """Checks by its extension whether a path is that of a video."""
    return path.suffix.lower() in EXTENSIONS


def open_video(path: Path, *, most: int | None = None) -> Video:
    """Reads the header of a video.

    Args:
        path: the file.
        most: as for `limits.check_decoded`, for one frame.

    Raises:
        UserError: it is no regular file, cannot be decoded, or has too large frames.
    """
    if not files.is_regular(path):
        raise UserError(f"cannot read the video {path}: there is no such regular file")
    with _capture(path) as capture:
        height, width = (int(capture.get(name)) for name in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH))
        limits.check_decoded(height * width * CHANNELS, what=f"a frame of {path}", most=most, key="model.max_image_mb")
        rate, count = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return Video(path, rate if 0 < rate < float("inf") else USUAL_RATE, max(0, count))


def read_frames(video: Video) -> Iterator[np.ndarray]:
    """Yields the frames of a video, `[H, W, 3]` uint8 RGB, upright, as far as they can be decoded."""
    with _capture(video.path) as capture:
        while True:
            read, frame = capture.read()
            if not read:
                return
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


class Writer:
    """Writes frames of one size to a video file; a context manager."""

    def __init__(self, path: Path, *, rate: float):
        """Stores where to write; the file is created with the first frame.

        Args:
            path: the file, whose extension determines the container.
            rate: frames a second.
        """
        self.path, self.rate = path, rate
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> "Writer":
        """Starts to write."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Completes the file."""
        if self._writer is not None:
            self._writer.release()

    def write(self, frame: np.ndarray) -> None:
        """Appends a frame, `[H, W, 3]` uint8 RGB.

        Raises:
            OSError: the file cannot be created.
        """
        if self._writer is None:
            code = cv2.VideoWriter.fourcc(*CODEC)
            self._writer = cv2.VideoWriter(str(self.path), code, self.rate, frame.shape[1::-1])
        if not self._writer.isOpened():
            raise OSError(f"OpenCV writes no video with the codec {CODEC} here")
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))


@contextmanager
def _capture(path: Path) -> Iterator[cv2.VideoCapture]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    with closing(_Released(capture)):
        if not capture.isOpened():
            raise UserError(f"cannot read the video {path}: its content is not that of a video that FFmpeg decodes")
        yield capture


class _Released(NamedTuple):
    capture: cv2.VideoCapture

    def close(self) -> None:
        self.capture.release()
