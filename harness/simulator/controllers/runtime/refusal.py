"""Refusals of an API server: a `Status`, or a plain text for a kind that it does not know, which is no ApiError to the client library."""

from typing import Final

from lightkube import ApiError

REFUSAL: Final[type[Exception]] = ApiError.__mro__[1]
"""Everything that means the server answered, and not with what was asked for: the status error of the HTTP library below lightkube,
not the same in all releases."""


def code_of(error: Exception) -> int | None:
    """The HTTP status of the answer; None when there was none."""
    if isinstance(error, ApiError):
        return int(error.status.code or 0)
    code: int | None = getattr(getattr(error, "response", None), "status_code", None)
    return code
