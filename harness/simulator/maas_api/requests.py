"""Reading a JSON request body as one of the messages."""

from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from .errors import RequestError

M = TypeVar("M", bound=BaseModel)


async def read(request: Request, message: type[M]) -> M:
    """The body as a message; the media type is not looked at. Raises RequestError 400 with what is wrong with it."""
    body = await request.body()
    if not body.strip():
        raise RequestError(400, "EOF")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(400, f"invalid JSON: {error}") from error
    try:
        return message.model_validate({} if document is None else document)
    except ValidationError as error:
        raise RequestError(400, _sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    """The first complaint in one line, with the place but without the value, which may be a credential."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(
        str(part) for part in first["loc"] if not str(part).startswith(("str", "int", "float", "constrained"))
    )
    return f"invalid request body: {place or 'body'}: {first['msg']}"
