"""Errors of workers: a lost device, and the `UserError` in the exception of an engine."""

import re

from mrcnn.errors import UserError, one_line

_TOLD = re.compile(r"UserError: ([^\r\n]+)")
MOST = 300  # characters kept of an engine's own text


class Lost(RuntimeError):
    """The model of a worker no longer runs, whatever the image; the message is one line.

    It may run in a new process, so the engine repeats the shard there.
    """

    def __init__(self, message: str):
        """Stores `message` in the form of `one_line`."""
        super().__init__(one_line(message))


def as_user_error(error: Exception, engine: str) -> UserError:
    """Converts the exception of an engine, whose text holds the traceback of a worker.

    Args:
        error: what the engine raised.
        engine: its name, for the message.
    """
    if isinstance(error, UserError):
        return error
    if found := _TOLD.findall(str(error)):
        return UserError(found[-1])
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return UserError(f"{engine} ended the job: {one_line(lines[-1], most=MOST)}; start it again to continue")
