"""What the service answers instead of a result: a status and a JSON object `{"error": "one line"}`."""

import json

from starlette.responses import Response

from mrcnn.errors import UserError

LONGEST = 500  # characters of an error; values from the request may be in it


class Refusal(UserError):
    """A request that gets no result; the line says what is wrong with it and how to put it right."""

    def __init__(self, message: str, *, status: int = 400, retry_after: int | None = None):
        """Takes the line, the HTTP status, and in how many seconds to try again, where that helps."""
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


def as_response(error: UserError) -> Response:
    """Writes the answer; what says no status of its own is the client's mistake, 400."""
    retry_after = getattr(error, "retry_after", None)
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return response(str(error), status=getattr(error, "status", 400), headers=headers)


def response(message: str, *, status: int, headers: dict[str, str] | None = None) -> Response:
    """Writes an answer with any text, cut where it is long."""
    text = message if len(message) <= LONGEST else message[: LONGEST - 3] + "..."
    return Response(json.dumps({"error": text}), status_code=status, headers=headers, media_type="application/json")
