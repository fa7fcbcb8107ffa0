"""Refusals of an API server: a `Status`, or a plain text for a kind that it does not know, which is no ApiError to the client library."""

from typing import Final

import httpx
from lightkube import ApiError

REFUSALS: Final = (ApiError, httpx.HTTPStatusError)
"""Everything that means the server answered, and not with what was asked for."""


def code_of(error: Exception) -> int | None:
    """The HTTP status of the answer; None when there was none."""
    if isinstance(error, ApiError):
        return int(error.status.code or 0)
    return error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
