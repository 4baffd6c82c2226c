"""Streams that logs write to, and how to read them back."""

import io
import json


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def lines(stream):
    """Returns the JSON lines of a stream."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]
