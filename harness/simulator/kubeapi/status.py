"""Refusals of the API server: the `Status` bodies that clients parse, worded as a cluster words them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """One field error of an `Invalid` answer; `reason` is a Kubernetes cause type such as `FieldValueRequired`."""

    reason: str
    field: str
    detail: str

    @property
    def text(self) -> str:
        """The error as it appears in the message of the whole answer."""
        return f"{self.field}: {self.detail}" if self.field else self.detail


class ApiError(Exception):
    """An answer that is not the wanted object: HTTP code, machine reason and one sentence."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def body(self) -> dict[str, Any]:
        """The `Status` object that goes over the wire."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            status["details"] = self.details
        status["code"] = self.code
        return status


def qualified(plural: str, group: str) -> str:
    """`deployments.apps` for a named group, `pods` for the core group."""
    return f"{plural}.{group}" if group else plural


def _details(plural: str, group: str, name: str) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name} if name else {}
    if group:
        details["group"] = group
    details["kind"] = plural
    return details


def not_found(plural: str, group: str, name: str) -> ApiError:
    """404 for an object that does not exist."""
    return ApiError(404, "NotFound", f'{qualified(plural, group)} "{name}" not found', _details(plural, group, name))


class UnknownPathError(ApiError):
    """404 outside everything that is served: a multiplexer's plain text, and no `Status`."""

    TEXT = "404 page not found\n"

    def __init__(self) -> None:
        super().__init__(404, "NotFound", "404 page not found")


def no_such_path() -> ApiError:
    """404 for a resource that a built-in group does not have."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(plural: str, group: str, name: str) -> ApiError:
    """409 for a create of a name that is taken."""
    message = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(plural, group, name))


def conflict(plural: str, group: str, name: str, cause: str = "") -> ApiError:
    """409 for a write against a state that has changed meanwhile."""
    why = cause or ("the object has been modified; please apply your changes to the latest version and try again")
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(plural, group, name))


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422 with every field error; one error stands alone, several stand in brackets."""
    texts: list[str] = []
    for cause in causes:
        if cause.text not in texts:
            texts.append(cause.text)
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = _details(kind, group, name)
    details["causes"] = [{"reason": c.reason, "message": c.detail, "field": c.field} for c in causes]
    return ApiError(422, "Invalid", f'{qualified(kind, group)} "{name}" is invalid: {joined}', details)


def bad_request(message: str) -> ApiError:
    """400 for a body or a parameter that cannot be understood."""
    return ApiError(400, "BadRequest", message)


def forbidden(plural: str, group: str, name: str, cause: str) -> ApiError:
    """403; `cause` says who may not do what."""
    named = f'{qualified(plural, group)} "{name}"' if name else qualified(plural, group)
    return ApiError(403, "Forbidden", f"{named} is forbidden: {cause}", _details(plural, group, name))


def unauthorized() -> ApiError:
    """401 for a request without a credential that this server knows."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> ApiError:
    """405 for a verb that the resource does not serve."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def unsupported_media_type(came: str, accepted: Sequence[str]) -> ApiError:
    """415 naming the media types that would do."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    if came:
        message = f"{message} (it was {came})"
    return ApiError(415, "UnsupportedMediaType", message)


def not_acceptable(accepted: Sequence[str]) -> ApiError:
    """406 naming the media types that this server can produce."""
    message = f"only the following media types are accepted: {', '.join(accepted)}"
    return ApiError(406, "NotAcceptable", message)


def too_large(limit: int) -> ApiError:
    """413 for a body above the limit (bytes)."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def expired(message: str) -> ApiError:
    """410 for a resourceVersion or continue token that history no longer covers."""
    return ApiError(410, "Expired", message)


def internal(message: str) -> ApiError:
    """500 for a failure outside the request, such as a webhook that does not answer."""
    return ApiError(500, "InternalError", f"Internal error occurred: {message}")


def success(plural: str, group: str, name: str, uid: str) -> dict[str, Any]:
    """The `Status` that answers a delete which removed the object at once."""
    details = _details(plural, group, name)
    details["uid"] = uid
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
