"""Finds the `UserError` of a worker in the exception of an engine."""

import re

from mrcnn.errors import UserError, one_line

_TOLD = re.compile(r"UserError: ([^\r\n]+)")
MOST = 300  # characters kept of an engine's own text


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
