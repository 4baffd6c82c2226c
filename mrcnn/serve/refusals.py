"""Error responses of the service: an HTTP status and a JSON object `{"error": "one line"}`."""

import json

from starlette.responses import Response

from mrcnn.errors import UserError

LONGEST = 500  # characters of an error, which may quote values from the request


class Refusal(UserError):
    """Error of a refused request; its message names the problem and the fix."""

    def __init__(self, message: str, *, status: int = 400, retry_after: int | None = None):
        """Stores the message, the status and the time to retry.

        Args:
            message: one line for the client.
            status: HTTP status code.
            retry_after: seconds after which a retry may succeed; None where it would not.
        """
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


def as_response(error: UserError) -> Response:
    """Builds the error response; an error without a status of its own is a 400."""
    retry_after = getattr(error, "retry_after", None)
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return response(str(error), status=getattr(error, "status", 400), headers=headers)


def response(message: str, *, status: int, headers: dict[str, str] | None = None) -> Response:
    """Builds an error response; a message over `LONGEST` characters is shortened."""
    text = message if len(message) <= LONGEST else message[: LONGEST - 3] + "..."
    return Response(json.dumps({"error": text}), status_code=status, headers=headers, media_type="application/json")
