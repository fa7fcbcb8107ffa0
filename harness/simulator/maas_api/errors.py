"""The four error bodies of the management API, as exceptions that know their own response.

Clients of the platform meet all four, so each is a type and no handler spells a body out.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response with the media type that the upstream service sends."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json; charset=utf-8")


class ApiError(Exception):
    """An answer other than success; subclasses give the body its shape."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        raise NotImplementedError

    def response(self) -> Response:
        """The response a client gets."""
        return json_response(self.body(), self.status, self.headers)


class ListingError(ApiError):
    """Models and subscriptions: `{"error": {"message", "type"}}`, as OpenAI clients expect."""

    def __init__(self, status: int, message: str, kind: str) -> None:
        super().__init__(status, message, {"Cache-Control": "no-store"})
        self.kind = kind

    def body(self) -> dict[str, Any]:
        """The nested form."""
        return {"error": {"message": self.message, "type": self.kind}}


class RequestError(ApiError):
    """API keys: `{"error": "text"}`, with a `code` where a program must tell causes apart."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(status, message)
        self.code = code

    def body(self) -> dict[str, Any]:
        """The flat form."""
        return {"error": self.message, "code": self.code} if self.code else {"error": self.message}


class TenantError(ApiError):
    """Tenants: `{"error", "details"}`."""

    def __init__(self, status: int, message: str, details: str) -> None:
        super().__init__(status, message)
        self.details = details

    def body(self) -> dict[str, Any]:
        """The form with details."""
        return {"error": self.message, "details": self.details}


class IdentityError(ApiError):
    """Identity headers are missing or malformed: a request came past the gateway. 500, never 401.

    `reference` is 001 (no user name), 002 (no groups) or 003 (groups unreadable or empty).
    """

    def __init__(self, reference: str) -> None:
        super().__init__(500, "Exception thrown while generating token")
        self.reference = reference

    def body(self) -> dict[str, Any]:
        """The form with a code for the exception and a reference."""
        return {"error": self.message, "exceptionCode": "AUTH_FAILURE", "refId": self.reference}
