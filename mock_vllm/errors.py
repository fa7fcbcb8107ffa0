"""Errors as vLLM words them: what a handler raises, and the body a client gets."""

from typing import Any, Final

import msgspec

TYPES: Final = {
    400: "BadRequestError",
    401: "Unauthorized",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    405: "Method Not Allowed",
    409: "ConflictError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    500: "InternalServerError",
    501: "NotImplementedError",
    503: "ServiceUnavailableError",
}


class ApiError(Exception):
    """A refusal with vLLM's status, type and parameter; the message is for the client."""

    def __init__(self, message: str, status: int = 400, *, kind: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind or TYPES.get(status, "BadRequestError")
        self.param = param

    def body(self) -> bytes:
        """vLLM's error object."""
        return error_body(self.message, self.kind, self.param, self.status)


def error_body(message: str, kind: str, param: str | None, code: int) -> bytes:
    """`{"error": {"message", "type", "param", "code"}}`."""
    error: dict[str, Any] = {"message": message, "type": kind, "param": param, "code": code}
    return msgspec.json.encode({"error": error})


def invalid(text: str, param: str | None, value: object = None) -> ApiError:
    """A refusal by one of vLLM's request validators, which FastAPI reports as a validation error of the body."""
    shown = f"{text} (parameter={param}" + (f", value={value}" if value is not None else "") + ")" if param else text
    entry = {"type": "value_error", "loc": "body", "msg": f"Value error, {shown}"}
    return ApiError(f"1 validation error:\n  {entry}", kind="Bad Request", param=param)
